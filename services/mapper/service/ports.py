"""What the use cases need of a store."""

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from services.common.outgoing.url import Credentials
from services.mapper.domain.environment import (
    Calibration,
    Camera,
    Environment,
    FloorPlan,
    Zone,
)
from services.mapper.domain.stored import Stored, StoredCalibration, StoredFloorPlan
from services.mapper.domain.tripwire import Tripwire

T = TypeVar("T")
Key = tuple[str, ...]


class Resources(Protocol[T]):
    """Things with an etag, by key; the last part of a key names the thing."""

    async def insert(self, key: Key, value: T) -> Stored[T]:
        """Add one; AlreadyExists when the key is taken."""

    async def find(self, key: Key, *, lock: str = "") -> Stored[T] | None:
        """Return one, or None; `lock` is empty, "SHARE" or "UPDATE"."""

    async def get(self, key: Key, *, lock: str = "") -> Stored[T]:
        """Return one; NotFound when there is none."""

    async def list(
        self,
        parent: Key = (),
        *,
        after: str = "",
        limit: int | None = None,
        among: Collection[str] | None = None,
    ) -> list[Stored[T]]:
        """Return those below `parent` in the order of their names.

        Only those whose name is `among` some, unless that is None.
        """

    async def count(self, parent: Key) -> int:
        """Return how many lie below `parent`."""

    async def update(self, key: Key, value: T, etag: str = "") -> Stored[T]:
        """Replace one; NotFound, or Conflict when a stated etag is old."""

    async def delete(self, key: Key, etag: str = "") -> None:
        """Delete one; NotFound, or Conflict when a stated etag is old."""


class Calibrations(Protocol):
    """Calibrations of cameras; never changed."""

    async def append(
        self, environment_id: str, camera_id: str, value: Calibration
    ) -> StoredCalibration:
        """Add one as the next revision; the camera is locked for update."""

    async def get(
        self, environment_id: str, camera_id: str, revision: int
    ) -> StoredCalibration:
        """Return a revision, the newest for 0; NotFound when there is none."""

    async def list(
        self, environment_id: str, camera_id: str, *, before: int, limit: int
    ) -> list[StoredCalibration]:
        """Return revisions below `before`, newest first."""

    async def newest(self, environment_id: str) -> dict[str, StoredCalibration]:
        """Return the newest calibration of each camera that has one."""

    async def newest_revision(self, environment_id: str, camera_id: str) -> int:
        """Return the newest revision of a camera, 0 when it has none."""


class FloorPlans(Protocol):
    """Plans of levels."""

    async def put(self, environment_id: str, plan: FloorPlan) -> StoredFloorPlan:
        """Store one, replacing the one before."""

    async def get(self, environment_id: str, floor_id: str) -> StoredFloorPlan:
        """Return one; NotFound when there is none."""

    async def list(self, environment_id: str) -> list[StoredFloorPlan]:
        """Return those of an environment in the order of their levels."""

    async def delete(self, environment_id: str, floor_id: str) -> None:
        """Delete one; NotFound when there is none."""


class CameraCredentials(Protocol):
    """Credentials of cameras' addresses."""

    async def put(
        self, environment_id: str, camera_id: str, credentials: Credentials
    ) -> None:
        """Keep some, in place of those before; NotReady when none may be kept."""

    async def find(self, environment_id: str, camera_id: str) -> Credentials | None:
        """Return those of a camera; None when there are none."""

    async def forget(self, environment_id: str, camera_id: str) -> None:
        """Forget those of a camera."""


class Transaction(Protocol):
    """All that is stored, within one transaction."""

    @property
    def environments(self) -> Resources[Environment]:
        """Environments, by environment_id."""

    @property
    def cameras(self) -> Resources[Camera]:
        """Cameras, by environment_id and camera_id."""

    @property
    def zones(self) -> Resources[Zone]:
        """Zones, by environment_id and zone_id."""

    @property
    def tripwires(self) -> Resources[Tripwire]:
        """Tripwires, by environment_id and tripwire_id."""

    @property
    def calibrations(self) -> Calibrations:
        """Calibrations of cameras."""

    @property
    def credentials(self) -> CameraCredentials:
        """Credentials of cameras' addresses."""

    @property
    def floor_plans(self) -> FloorPlans:
        """Plans of levels."""

    async def levels_in_use(self, environment_id: str) -> set[str]:
        """Return the levels that cameras, zones, tripwires and plans name."""

    async def announce(self, environment_id: str) -> None:
        """Tell every replica, on commit, that positions may change."""


class Store(Protocol):
    """Opens transactions."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Commit what the context does, or nothing; Unavailable when it is away."""
