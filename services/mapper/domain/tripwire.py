"""Lines on the floor that people are counted at."""

import math
from dataclasses import dataclass

from services.common.errors import InvalidInput
from services.common.ids import require_resource_id
from services.mapper.domain.checks import check_finite, check_text
from services.mapper.domain.environment import FloorPoint

LEAST_LENGTH_M = 0.01
"""Length below which a line has no direction."""
_ORIGIN = FloorPoint(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Tripwire:
    """A directed line on the floor."""

    tripwire_id: str
    display_name: str = ""
    floor_id: str = ""
    start: FloorPoint = _ORIGIN
    end: FloorPoint = _ORIGIN


def check_tripwire(tripwire: Tripwire, path: str) -> None:
    """Check a tripwire, except that its level exists.

    Raises:
        InvalidInput: A field is out of range, or the line has no length.
    """
    require_resource_id(tripwire.tripwire_id, f"{path}.tripwire_id")
    check_text(tripwire.display_name, f"{path}.display_name")
    for name, point in (("start", tripwire.start), ("end", tripwire.end)):
        check_finite(point.x_m, f"{path}.{name}.x_m")
        check_finite(point.y_m, f"{path}.{name}.y_m")
    start, end = tripwire.start, tripwire.end
    if math.hypot(end.x_m - start.x_m, end.y_m - start.y_m) < LEAST_LENGTH_M:
        message = f"must lie at least {LEAST_LENGTH_M} m from the start"
        raise InvalidInput(message, field=f"{path}.end")
