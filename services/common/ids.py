"""Identifiers, each a type of its own."""

import re
from typing import NewType

from services.common.errors import InvalidInput

EnvironmentId = NewType("EnvironmentId", str)
CameraId = NewType("CameraId", str)
SessionId = NewType("SessionId", str)
TimelineId = NewType("TimelineId", str)
ModelId = NewType("ModelId", str)
TrackId = NewType("TrackId", int)
GlobalId = NewType("GlobalId", int)

_RESOURCE_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


def require_resource_id(value: str, field: str) -> str:
    """Return `value` if it can name a resource.

    Args:
        value: Name to check.
        field: Path of the request field that holds it.

    Raises:
        InvalidInput: It is empty or not of the form
            `[a-z]([a-z0-9-]{0,61}[a-z0-9])?`.
    """
    if not _RESOURCE_ID.fullmatch(value):
        raise InvalidInput(
            "must be 1 to 63 lower-case letters, digits and hyphens, beginning "
            f"with a letter and not ending with a hyphen; got {value[:80]!r}",
            field=field,
        )
    return value
