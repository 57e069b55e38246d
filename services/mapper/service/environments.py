"""Use cases of environments."""

from collections.abc import Collection

from services.mapper.domain.checks import check_environment
from services.mapper.domain.environment import Environment
from services.mapper.domain.paging import PageRequest, page_of
from services.mapper.domain.stored import Page, Stored
from services.mapper.service.geometry_cache import GeometryCache
from services.mapper.service.levels import require_levels, with_levels
from services.mapper.service.ports import Store

_LISTING = "environments"


class Environments:
    """Creates, reads, changes and deletes environments."""

    def __init__(self, store: Store, cache: GeometryCache) -> None:
        self._store = store
        self._cache = cache

    async def create(self, environment: Environment) -> Stored[Environment]:
        """Add an environment.

        Raises:
            InvalidInput: A field is out of range.
            AlreadyExists: The id is taken.
        """
        check_environment(environment, "environment")
        key = (environment.environment_id,)
        async with self._store.transaction() as transaction:
            return await transaction.environments.insert(key, with_levels(environment))

    async def get(self, environment_id: str) -> Stored[Environment]:
        """Return an environment.

        Raises:
            NotFound: There is none.
        """
        async with self._store.transaction() as transaction:
            return await transaction.environments.get((environment_id,))

    async def list(
        self, request: PageRequest, among: Collection[str] | None = None
    ) -> Page[Stored[Environment]]:
        """Return a page of environments, by id.

        Args:
            request: Which page.
            among: Ids of the only ones that may be shown; None means all.

        Raises:
            InvalidInput: The page size or token is not usable.
        """
        limit, after = request.limit(), request.after(_LISTING)
        async with self._store.transaction() as transaction:
            found = await transaction.environments.list(
                after=after, limit=limit + 1, among=among
            )
        return page_of(found, limit, _LISTING, lambda one: one.value.environment_id)

    async def update(self, environment: Environment, etag: str) -> Stored[Environment]:
        """Replace an environment's own fields.

        Raises:
            InvalidInput: A field is out of range.
            NotFound: There is none.
            Conflict: `etag` is not empty and not the stored one.
            NotReady: A level that is in use would go.
        """
        check_environment(environment, "environment")
        environment = with_levels(environment)
        key = (environment.environment_id,)
        async with self._store.transaction() as transaction:
            await transaction.environments.get(key, lock="UPDATE")
            await require_levels(transaction, environment, "environment")
            return await transaction.environments.update(key, environment, etag)

    async def delete(self, environment_id: str, etag: str) -> None:
        """Delete an environment with all that lies in it.

        Raises:
            NotFound: There is none.
            Conflict: `etag` is not empty and not the stored one.
        """
        async with self._store.transaction() as transaction:
            await transaction.environments.delete((environment_id,), etag)
            await transaction.announce(environment_id)
        await self._cache.refresh(environment_id)
