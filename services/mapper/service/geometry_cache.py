"""What positions depend on, kept in memory and following the store."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

import structlog

from services.common.errors import NotFound, SpotOnError
from services.mapper.domain.calibration import geometry_of
from services.mapper.domain.environment import DEFAULT_BIAS_FLOOR_M, Camera
from services.mapper.domain.homography import Homography
from services.mapper.domain.lens import Optics
from services.mapper.domain.stored import StoredCalibration
from services.mapper.service.ports import Store

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CameraGeometry:
    """How one camera sees the floor.

    Attributes:
        floor_id: Level that it looks at.
        bias_floor_m: Standard deviation of its systematic error, metres.
        homography: From pixels to metres; None without a calibration.
        optics: What to undo before the homography; None for nothing.
        revision: Revision of the calibration; 0 without one.
    """

    floor_id: str
    bias_floor_m: float
    homography: Homography | None
    optics: Optics | None
    revision: int


Geometries = Mapping[str, CameraGeometry]
"""An environment's cameras, by camera_id."""


class GeometryCache:
    """Loads an environment once and again whenever it changes.

    While the store is away it goes on with what it has.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loaded: dict[str, Geometries] = {}
        self._loading: dict[str, asyncio.Task[Geometries]] = {}

    async def of(self, environment_id: str) -> Geometries:
        """Return the cameras of an environment.

        Raises:
            NotFound: There is no such environment.
            Unavailable: It is not in memory and the store is away.
        """
        known = self._loaded.get(environment_id)
        if known is not None:
            return known
        return await self._load_shared(environment_id)

    async def refresh(self, environment_id: str) -> None:
        """Read an environment again, if it is in use; keep the old where that fails.

        What was committed before the call is seen by every later call of `of`.
        """
        pending = self._loading.get(environment_id)
        if pending is not None:
            await asyncio.wait([pending])
        elif environment_id not in self._loaded:
            return
        try:
            await self._load_shared(environment_id)
        except NotFound:
            self._loaded.pop(environment_id, None)
        except SpotOnError as error:
            _log.warning(
                "keeping old geometry", environment_id=environment_id, cause=str(error)
            )

    async def follow(self, changes: AsyncGenerator[str | None, None]) -> None:
        """Refresh what `changes` names, for ever; None means all that is in use."""
        async with contextlib.aclosing(changes):
            async for changed in changes:
                stale = list(self._loaded) if changed is None else [changed]
                for environment_id in stale:
                    await self.refresh(environment_id)

    async def _load_shared(self, environment_id: str) -> Geometries:
        """Load an environment, once for all who ask at the same time."""
        task = self._loading.get(environment_id)
        if task is None:
            task = asyncio.create_task(self._load(environment_id))
            self._loading[environment_id] = task
            task.add_done_callback(lambda done: self._loaded_by(environment_id, done))
        return await asyncio.shield(task)

    def _loaded_by(self, environment_id: str, task: asyncio.Task[Geometries]) -> None:
        del self._loading[environment_id]
        # Whoever waits gets the error; when all of them left, nobody misses it.
        with contextlib.suppress(SpotOnError, asyncio.CancelledError):
            self._loaded[environment_id] = task.result()

    async def _load(self, environment_id: str) -> Geometries:
        async with self._store.transaction() as transaction:
            await transaction.environments.get((environment_id,))
            cameras = await transaction.cameras.list((environment_id,))
            newest = await transaction.calibrations.newest(environment_id)
        return {
            stored.value.camera_id: _geometry(
                stored.value, newest.get(stored.value.camera_id)
            )
            for stored in cameras
        }


def _geometry(camera: Camera, calibration: StoredCalibration | None) -> CameraGeometry:
    homography, optics, revision = None, None, 0
    if calibration is not None:
        homography, optics = geometry_of(calibration.value, "calibration")
        revision = calibration.revision
    return CameraGeometry(
        floor_id=camera.floor_id,
        bias_floor_m=DEFAULT_BIAS_FLOOR_M
        if camera.bias_floor_m is None
        else camera.bias_floor_m,
        homography=homography,
        optics=optics,
        revision=revision,
    )
