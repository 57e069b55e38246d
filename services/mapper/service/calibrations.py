"""Use cases of calibrations."""

import asyncio

from services.common.errors import InvalidInput
from services.mapper.domain.calibration import (
    FittedCalibration,
    checked_calibration,
    fit_calibration,
)
from services.mapper.domain.environment import Calibration, ImageSize, Lens, PointPair
from services.mapper.domain.paging import PageRequest, page_of
from services.mapper.domain.stored import Page, StoredCalibration
from services.mapper.service.geometry_cache import GeometryCache
from services.mapper.service.ports import Store
from services.mapper.service.projection import Projection

_NO_REVISION_YET = 2**63 - 1


class Calibrations:
    """Adds, reads and fits calibrations."""

    def __init__(
        self, store: Store, cache: GeometryCache, projection: Projection
    ) -> None:
        self._store = store
        self._cache = cache
        self._projection = projection

    async def create(
        self, environment_id: str, camera_id: str, calibration: Calibration
    ) -> StoredCalibration:
        """Add a calibration, which the next frame is located with.

        Raises:
            InvalidInput: A field is out of range or the homography is not usable.
            NotFound: There is no such camera.
        """
        calibration = checked_calibration(calibration, "calibration")
        key = (environment_id, camera_id)
        async with self._store.transaction() as transaction:
            await transaction.cameras.get(key, lock="UPDATE")
            created = await transaction.calibrations.append(*key, calibration)
            await transaction.announce(environment_id)
        await self._cache.refresh(environment_id)
        return created

    async def get(
        self, environment_id: str, camera_id: str, revision: int
    ) -> StoredCalibration:
        """Return a revision, the newest for 0.

        Raises:
            InvalidInput: The revision is negative.
            NotFound: There is no such camera or revision.
        """
        if revision < 0:
            raise InvalidInput(f"must be 0 or more, got {revision}", field="revision")
        async with self._store.transaction() as transaction:
            await transaction.cameras.get((environment_id, camera_id))
            return await transaction.calibrations.get(
                environment_id, camera_id, revision
            )

    async def list(
        self, environment_id: str, camera_id: str, request: PageRequest
    ) -> Page[StoredCalibration]:
        """Return a page of a camera's calibrations, newest first.

        Raises:
            InvalidInput: The page size or token is not usable.
            NotFound: There is no such camera.
        """
        listing = f"{environment_id}/{camera_id}/calibrations"
        limit, after = request.limit(), request.after(listing)
        if after and not after.isdecimal():
            raise InvalidInput("was not given out for this list", field="page_token")
        before = min(int(after or _NO_REVISION_YET), _NO_REVISION_YET)
        async with self._store.transaction() as transaction:
            await transaction.cameras.get((environment_id, camera_id))
            found = await transaction.calibrations.list(
                environment_id, camera_id, before=before, limit=limit + 1
            )
        return page_of(found, limit, listing, lambda one: str(one.revision))

    async def fit(
        self,
        environment_id: str,
        camera_id: str,
        point_pairs: tuple[PointPair, ...],
        image_size: ImageSize,
        inlier_threshold_m: float,
        lens: Lens | None = None,
    ) -> FittedCalibration:
        """Fit a calibration to points; store nothing.

        Raises:
            InvalidInput: A field is out of range or the points determine nothing.
            NotFound: There is no such camera.
        """
        await self._projection.camera(environment_id, camera_id)
        return await asyncio.to_thread(
            fit_calibration, point_pairs, image_size, inlier_threshold_m, lens
        )
