"""Use cases of tripwires."""

from services.mapper.domain.paging import PageRequest, page_of
from services.mapper.domain.stored import Page, Stored
from services.mapper.domain.tripwire import Tripwire, check_tripwire
from services.mapper.service.levels import on_level
from services.mapper.service.ports import Store


class Tripwires:
    """Creates, reads, changes and deletes tripwires."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, environment_id: str, tripwire: Tripwire) -> Stored[Tripwire]:
        """Add a tripwire.

        Raises:
            InvalidInput: A field is out of range or the line has no length.
            NotFound: There is no such environment.
            AlreadyExists: The id is taken.
        """
        check_tripwire(tripwire, "tripwire")
        async with self._store.transaction() as transaction:
            parent = await transaction.environments.get((environment_id,), lock="SHARE")
            tripwire = on_level(tripwire, parent.value, "tripwire")
            return await transaction.tripwires.insert(
                (environment_id, tripwire.tripwire_id), tripwire
            )

    async def get(self, environment_id: str, tripwire_id: str) -> Stored[Tripwire]:
        """Return a tripwire.

        Raises:
            NotFound: There is none.
        """
        async with self._store.transaction() as transaction:
            return await transaction.tripwires.get((environment_id, tripwire_id))

    async def list(
        self, environment_id: str, request: PageRequest
    ) -> Page[Stored[Tripwire]]:
        """Return a page of an environment's tripwires, by id.

        Raises:
            InvalidInput: The page size or token is not usable.
            NotFound: There is no such environment.
        """
        listing = f"{environment_id}/tripwires"
        limit, after = request.limit(), request.after(listing)
        async with self._store.transaction() as transaction:
            await transaction.environments.get((environment_id,))
            found = await transaction.tripwires.list(
                (environment_id,), after=after, limit=limit + 1
            )
        return page_of(found, limit, listing, lambda one: one.value.tripwire_id)

    async def update(
        self, environment_id: str, tripwire: Tripwire, etag: str
    ) -> Stored[Tripwire]:
        """Replace a tripwire.

        Raises:
            InvalidInput: A field is out of range or the line has no length.
            NotFound: There is none.
            Conflict: `etag` is not empty and not the stored one.
        """
        check_tripwire(tripwire, "tripwire")
        key = (environment_id, tripwire.tripwire_id)
        async with self._store.transaction() as transaction:
            parent = await transaction.environments.get((environment_id,), lock="SHARE")
            tripwire = on_level(tripwire, parent.value, "tripwire")
            return await transaction.tripwires.update(key, tripwire, etag)

    async def delete(self, environment_id: str, tripwire_id: str, etag: str) -> None:
        """Delete a tripwire.

        Raises:
            NotFound: There is none.
            Conflict: `etag` is not empty and not the stored one.
        """
        async with self._store.transaction() as transaction:
            await transaction.tripwires.delete((environment_id, tripwire_id), etag)
