"""An environment with all that lies in it, as one JSON document."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from services.common.errors import InvalidInput
from services.mapper.domain.calibration import check_zone_border, checked_calibration
from services.mapper.domain.checks import (
    check_camera,
    check_environment,
    check_floor_plan,
    check_zone,
)
from services.mapper.domain.documents import from_document, to_document
from services.mapper.domain.environment import (
    Calibration,
    Camera,
    Environment,
    FloorPlan,
    Zone,
)
from services.mapper.domain.tripwire import Tripwire, check_tripwire

VERSION = 1
"""Version of the document's form; another one is refused."""

MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
_ROOT = "document"


@dataclass(frozen=True, slots=True)
class ExportedCamera(Camera):
    """A camera with its newest calibration."""

    calibration: Calibration | None = None

    @property
    def camera(self) -> Camera:
        """The camera alone."""
        return Camera(**_values(self))


@dataclass(frozen=True, slots=True)
class ExportedEnvironment:
    """An environment with all that lies in it; lists are ordered by id."""

    version: int
    environment: Environment
    cameras: tuple[ExportedCamera, ...] = ()
    zones: tuple[Zone, ...] = ()
    tripwires: tuple[Tripwire, ...] = ()
    floor_plans: tuple[FloorPlan, ...] = ()


def exported_camera(camera: Camera, calibration: Calibration | None) -> ExportedCamera:
    """Return a camera with its newest calibration."""
    return ExportedCamera(**_values(camera), calibration=calibration)


def write_document(exported: ExportedEnvironment) -> str:
    """Return the JSON of an environment; equal environments give equal texts."""
    document = to_document(exported)
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_document(text: str) -> ExportedEnvironment:
    """Return the environment that a document describes, checked.

    Raises:
        InvalidInput: It is not JSON, of another version, too large, or something in
            it is unknown, missing, of the wrong type or out of range; it is named.
    """
    if len(text.encode("utf-8")) > MAX_DOCUMENT_BYTES:
        raise InvalidInput("is larger than 32 MiB", field=_ROOT)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"is not JSON: {error}", field=_ROOT) from None
    version = document.get("version", VERSION) if isinstance(document, dict) else None
    if isinstance(document, dict) and version != VERSION:
        message = f"must be {VERSION}, the only version known"
        raise InvalidInput(message, field=f"{_ROOT}.version")
    exported = from_document(document, ExportedEnvironment, _ROOT)
    _check(exported)
    return exported


def _check(exported: ExportedEnvironment) -> None:
    check_environment(exported.environment, f"{_ROOT}.environment")
    for index, camera in enumerate(exported.cameras):
        path = f"{_ROOT}.cameras[{index}]"
        check_camera(camera, path)
        if camera.calibration is not None:
            checked_calibration(camera.calibration, f"{path}.calibration")
    for index, zone in enumerate(exported.zones):
        path = f"{_ROOT}.zones[{index}]"
        check_zone(zone, path)
        check_zone_border(zone, path)
    for index, tripwire in enumerate(exported.tripwires):
        check_tripwire(tripwire, f"{_ROOT}.tripwires[{index}]")
    for index, plan in enumerate(exported.floor_plans):
        check_floor_plan(plan, f"{_ROOT}.floor_plans[{index}]")
    _refuse_twice((one.camera_id for one in exported.cameras), "cameras", "camera_id")
    _refuse_twice((one.zone_id for one in exported.zones), "zones", "zone_id")
    tripwires = (one.tripwire_id for one in exported.tripwires)
    _refuse_twice(tripwires, "tripwires", "tripwire_id")
    plans = (one.floor_id for one in exported.floor_plans)
    _refuse_twice(plans, "floor_plans", "floor_id")


def _refuse_twice(names: Iterable[str], entries: str, name_field: str) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            path = f"{_ROOT}.{entries}[{index}].{name_field}"
            raise InvalidInput(f"{name!r} is there twice", field=path)
        seen.add(name)


def _values(camera: Camera) -> dict[str, Any]:
    return {field.name: getattr(camera, field.name) for field in fields(Camera)}
