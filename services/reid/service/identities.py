"""Read persons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.common.ids import EnvironmentId, GlobalId, TimelineId
from services.reid.domain.identity import Identity


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list.

    Attributes:
        identities: Persons, by ascending id.
        next_after: Id to go on after; None on the last page.
    """

    identities: tuple[Identity, ...]
    next_after: GlobalId | None


class IdentityTable(Protocol):
    """Reads persons."""

    async def get(self, environment_id: EnvironmentId, global_id: GlobalId) -> Identity:
        """Return a person.

        Raises:
            NotFound: There is none of that id in the environment.
            Unavailable: The database is away.
        """

    async def page(
        self,
        environment_id: EnvironmentId,
        timeline_id: TimelineId | None,
        *,
        after: GlobalId,
        limit: int,
        include_merged: bool,
        include_expired: bool,
    ) -> Sequence[Identity]:
        """Return persons with greater ids than `after`, by id.

        Raises:
            Unavailable: The database is away.
        """


class IdentityService:
    """Answers who somebody is."""

    def __init__(self, table: IdentityTable) -> None:
        self._table = table

    async def get(self, environment_id: EnvironmentId, global_id: GlobalId) -> Identity:
        """Return a person.

        Raises:
            NotFound: There is none of that id in the environment.
            Unavailable: The database is away.
        """
        return await self._table.get(environment_id, global_id)

    async def page(
        self,
        environment_id: EnvironmentId,
        timeline_id: TimelineId | None,
        *,
        after: GlobalId,
        size: int,
        include_merged: bool,
        include_expired: bool,
    ) -> Page:
        """Return a page of persons, by ascending id.

        Raises:
            Unavailable: The database is away.
        """
        found = await self._table.page(
            environment_id,
            timeline_id,
            after=after,
            limit=size + 1,
            include_merged=include_merged,
            include_expired=include_expired,
        )
        identities = tuple(found[:size])
        more = len(found) > size
        return Page(identities, identities[-1].global_id if more else None)
