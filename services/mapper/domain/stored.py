"""Values as the store gives them back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from services.mapper.domain.environment import Calibration, Camera, FloorPlan

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A value, and what the store knows about it.

    Attributes:
        value: The value.
        etag: Changes with every update.
        create_time: When it was made, UTC.
        update_time: When it was last changed, UTC.
    """

    value: T
    etag: str
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True)
class StoredCamera:
    """A camera and the revision of its newest calibration, 0 when it has none."""

    camera: Stored[Camera]
    calibration_revision: int


@dataclass(frozen=True, slots=True)
class StoredCalibration:
    """A calibration that never changes.

    Attributes:
        camera_id: Camera that it belongs to.
        revision: Counted from 1 for each camera.
        value: The calibration.
        create_time: When it was made, UTC.
    """

    camera_id: str
    revision: int
    value: Calibration
    create_time: datetime


@dataclass(frozen=True, slots=True)
class StoredFloorPlan:
    """A floor plan and its etag."""

    value: FloorPlan
    etag: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list.

    Attributes:
        entries: The part, in the list's order.
        next_page_token: Token of what follows; empty on the last page.
    """

    entries: tuple[T, ...]
    next_page_token: str
