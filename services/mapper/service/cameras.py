"""Use cases of cameras."""

from services.common.errors import NotFound
from services.common.outgoing.url import Credentials
from services.mapper.domain.checks import check_camera
from services.mapper.domain.environment import Camera
from services.mapper.domain.paging import PageRequest, page_of
from services.mapper.domain.stored import Page, StoredCamera
from services.mapper.service.camera_sources import CameraSources
from services.mapper.service.geometry_cache import GeometryCache
from services.mapper.service.levels import on_level
from services.mapper.service.ports import Store
from services.mapper.service.quotas import Quotas, require_within


class Cameras:
    """Creates, reads, changes and deletes cameras."""

    def __init__(
        self,
        store: Store,
        cache: GeometryCache,
        sources: CameraSources,
        quotas: Quotas,
    ) -> None:
        self._store = store
        self._cache = cache
        self._sources = sources
        self._quotas = quotas

    async def create(self, environment_id: str, camera: Camera) -> StoredCamera:
        """Add a camera.

        Raises:
            InvalidInput: A field is out of range.
            NotFound: There is no such environment.
            AlreadyExists: The id is taken.
            Forbidden: Its address is not allowed.
            NotReady: It brings credentials, and none can be kept.
            Overloaded: The environment has as many cameras as it may.
        """
        check_camera(camera, "camera")
        key = (environment_id, camera.camera_id)
        change = self._sources.change(camera, None, "camera")
        async with self._store.transaction() as transaction:
            # Locked against others who add a camera, so that the count holds.
            parent = await transaction.environments.get(
                (environment_id,), lock="UPDATE"
            )
            camera = on_level(change.camera, parent.value, "camera")
            created = await transaction.cameras.insert(key, camera)
            await require_within(self._quotas, transaction, environment_id)
            await change.apply(transaction, environment_id)
            await transaction.announce(environment_id)
        await self._cache.refresh(environment_id)
        return StoredCamera(created, 0)

    async def get(self, environment_id: str, camera_id: str) -> StoredCamera:
        """Return a camera.

        Raises:
            NotFound: There is none.
        """
        async with self._store.transaction() as transaction:
            found = await transaction.cameras.get((environment_id, camera_id))
            revision = await transaction.calibrations.newest_revision(
                environment_id, camera_id
            )
        return StoredCamera(found, revision)

    async def list(
        self, environment_id: str, request: PageRequest
    ) -> Page[StoredCamera]:
        """Return a page of an environment's cameras, by id.

        Raises:
            InvalidInput: The page size or token is not usable.
            NotFound: There is no such environment.
        """
        listing = f"{environment_id}/cameras"
        limit, after = request.limit(), request.after(listing)
        async with self._store.transaction() as transaction:
            await transaction.environments.get((environment_id,))
            found = await transaction.cameras.list(
                (environment_id,), after=after, limit=limit + 1
            )
            newest = await transaction.calibrations.newest(environment_id)
        revisions = {camera_id: entry.revision for camera_id, entry in newest.items()}
        cameras = [
            StoredCamera(camera, revisions.get(camera.value.camera_id, 0))
            for camera in found
        ]
        return page_of(cameras, limit, listing, lambda one: one.camera.value.camera_id)

    async def update(
        self, environment_id: str, camera: Camera, etag: str
    ) -> StoredCamera:
        """Replace a camera.

        Raises:
            InvalidInput: A field is out of range.
            NotFound: There is none.
            Conflict: `etag` is not empty and not the stored one.
            Forbidden: Its address is not allowed.
            NotReady: It brings credentials, and none can be kept.
        """
        check_camera(camera, "camera")
        key = (environment_id, camera.camera_id)
        async with self._store.transaction() as transaction:
            parent = await transaction.environments.get((environment_id,), lock="SHARE")
            before = await transaction.cameras.get(key, lock="UPDATE")
            change = self._sources.change(camera, before.value, "camera")
            camera = on_level(change.camera, parent.value, "camera")
            updated = await transaction.cameras.update(key, camera, etag)
            await change.apply(transaction, environment_id)
            revision = await transaction.calibrations.newest_revision(*key)
            await transaction.announce(environment_id)
        await self._cache.refresh(environment_id)
        return StoredCamera(updated, revision)

    async def credentials(
        self, environment_id: str, camera_id: str
    ) -> tuple[str, Credentials | None]:
        """Return a camera's address, and the credentials that belong to it.

        Raises:
            NotFound: There is no such camera, or it is not on the network.
            NotReady: What is kept cannot be read.
        """
        async with self._store.transaction() as transaction:
            found = await transaction.cameras.get((environment_id, camera_id))
            network = found.value.source.network
            if network is None:
                raise NotFound("the camera is not on the network", field="camera_id")
            kept = await transaction.credentials.find(environment_id, camera_id)
        return network.url, kept

    async def delete(self, environment_id: str, camera_id: str, etag: str) -> None:
        """Delete a camera with its calibrations.

        Raises:
            NotFound: There is none.
            Conflict: `etag` is not empty and not the stored one.
        """
        async with self._store.transaction() as transaction:
            await transaction.cameras.delete((environment_id, camera_id), etag)
            await transaction.announce(environment_id)
        await self._cache.refresh(environment_id)
