"""Find and read persons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.common.ids import EnvironmentId, GlobalId, ModelId, TimelineId
from services.reid.domain.identity import Identity, IdentityFilter
from services.reid.domain.values import Vector


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list.

    Attributes:
        identities: Persons, by ascending id.
        next_after: Id to go on after; None on the last page.
    """

    identities: tuple[Identity, ...]
    next_after: GlobalId | None


@dataclass(frozen=True, slots=True)
class Match:
    """A person who looks like the query.

    Attributes:
        identity: The person.
        similarity: Cosine of the nearest prototype, in [-1, 1].
    """

    identity: Identity
    similarity: float


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
    ) -> Sequence[Identity]:
        """Return persons with greater ids than `after`, by id.

        Raises:
            Unavailable: The database is away.
        """

    async def matching(
        self,
        environment_id: EnvironmentId,
        global_ids: Sequence[GlobalId],
        wanted: IdentityFilter,
    ) -> dict[GlobalId, Identity]:
        """Return those of some persons who pass a filter.

        Raises:
            Unavailable: The database is away.
        """


class VectorIndex(Protocol):
    """Finds the nearest prototypes of one model."""

    async def nearest(
        self, environment_id: EnvironmentId, vector: Vector, limit: int
    ) -> Sequence[tuple[GlobalId, float]]:
        """Return persons and the similarity of their nearest prototype, best first.

        Args:
            environment_id: Environment to search.
            vector: Query of that model.
            limit: Persons at most; fewer mean that there are no more.

        Raises:
            Unavailable: The database is away.
        """


class IdentityService:
    """Answers who somebody is, and who looks like somebody."""

    def __init__(
        self, table: IdentityTable, indexes: Mapping[ModelId, VectorIndex]
    ) -> None:
        self._table = table
        self._indexes = indexes

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
        )
        identities = tuple(found[:size])
        more = len(found) > size
        return Page(identities, identities[-1].global_id if more else None)

    async def search(
        self,
        environment_id: EnvironmentId,
        model_id: ModelId,
        vector: Vector,
        wanted: IdentityFilter,
        *,
        min_similarity: float,
        limit: int,
    ) -> list[Match]:
        """Return persons who look like a vector, most similar first, each once.

        The filter is applied to ever more of the nearest persons until enough pass.

        Args:
            environment_id: Environment to search.
            model_id: Running model that the vector is of.
            vector: Whom to look for.
            wanted: Which persons count.
            min_similarity: Least similarity that counts.
            limit: Persons at most.

        Raises:
            Unavailable: The database is away.
        """
        index = self._indexes[model_id]
        reach = 4 * limit
        while True:
            nearest = await index.nearest(environment_id, vector, reach)
            similar = {
                global_id: similarity
                for global_id, similarity in nearest
                if similarity >= min_similarity
            }
            passing = await self._table.matching(environment_id, list(similar), wanted)
            matches = [
                Match(passing[global_id], similarity)
                for global_id, similarity in similar.items()
                if global_id in passing
            ]
            exhausted = len(nearest) < reach or len(similar) < len(nearest)
            if len(matches) >= limit or exhausted:
                return matches[:limit]
            reach *= 4
