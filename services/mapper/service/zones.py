"""Use cases of zones."""

from services.mapper.domain.calibration import check_zone_border
from services.mapper.domain.checks import check_zone
from services.mapper.domain.environment import Zone
from services.mapper.domain.paging import PageRequest, page_of
from services.mapper.domain.stored import Page, Stored
from services.mapper.service.levels import on_level
from services.mapper.service.ports import Store


class Zones:
    """Creates, reads, changes and deletes zones."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, environment_id: str, zone: Zone) -> Stored[Zone]:
        """Add a zone.

        Raises:
            InvalidInput: A field is out of range or the border crosses itself.
            NotFound: There is no such environment.
            AlreadyExists: The id is taken.
        """
        check_zone(zone, "zone")
        check_zone_border(zone, "zone")
        async with self._store.transaction() as transaction:
            parent = await transaction.environments.get((environment_id,), lock="SHARE")
            zone = on_level(zone, parent.value, "zone")
            return await transaction.zones.insert((environment_id, zone.zone_id), zone)

    async def get(self, environment_id: str, zone_id: str) -> Stored[Zone]:
        """Return a zone.

        Raises:
            NotFound: There is none.
        """
        async with self._store.transaction() as transaction:
            return await transaction.zones.get((environment_id, zone_id))

    async def list(
        self, environment_id: str, request: PageRequest
    ) -> Page[Stored[Zone]]:
        """Return a page of an environment's zones, by id.

        Raises:
            InvalidInput: The page size or token is not usable.
            NotFound: There is no such environment.
        """
        listing = f"{environment_id}/zones"
        limit, after = request.limit(), request.after(listing)
        async with self._store.transaction() as transaction:
            await transaction.environments.get((environment_id,))
            found = await transaction.zones.list(
                (environment_id,), after=after, limit=limit + 1
            )
        return page_of(found, limit, listing, lambda one: one.value.zone_id)

    async def update(self, environment_id: str, zone: Zone, etag: str) -> Stored[Zone]:
        """Replace a zone.

        Raises:
            InvalidInput: A field is out of range or the border crosses itself.
            NotFound: There is none.
            Conflict: `etag` is not empty and not the stored one.
        """
        check_zone(zone, "zone")
        check_zone_border(zone, "zone")
        key = (environment_id, zone.zone_id)
        async with self._store.transaction() as transaction:
            parent = await transaction.environments.get((environment_id,), lock="SHARE")
            zone = on_level(zone, parent.value, "zone")
            return await transaction.zones.update(key, zone, etag)

    async def delete(self, environment_id: str, zone_id: str, etag: str) -> None:
        """Delete a zone.

        Raises:
            NotFound: There is none.
            Conflict: `etag` is not empty and not the stored one.
        """
        async with self._store.transaction() as transaction:
            await transaction.zones.delete((environment_id, zone_id), etag)
