"""Find persons by what they look like."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.common.errors import NotReady
from services.common.ids import (
    CameraId,
    EnvironmentId,
    GlobalId,
    ModelId,
    TimelineId,
)
from services.reid.domain.identity import Identity, IdentityFilter
from services.reid.domain.values import FloorFix, Vector
from services.reid.service.portraits import PortraitRecord
from services.reid.service.scores import Score, ScoreMeaning

MOST_REACHED = 1_000
"""Persons of one search that pages can reach."""

_MOST_QUERY_VECTORS = 12
_EVIDENCE_EACH = 3
# Of so many times the wanted persons, the filter passes enough, or the database is
# asked for those who pass it.
_FIRST_REACH, _LAST_REACH = 4, 40

Nearest = Sequence[tuple[GlobalId, float]]


@dataclass(frozen=True, slots=True)
class Look:
    """A prototype, as evidence.

    Attributes:
        prototype_id: The prototype.
        camera_id: Camera that saw it.
        captured_ns: When it was seen last, nanoseconds since 1970 UTC.
        count: Crops that it is the mean of.
        vector: Unit length.
        fix: Where the person stood then, if known.
    """

    prototype_id: int
    camera_id: CameraId
    captured_ns: int
    count: int
    vector: Vector
    fix: FloorFix | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A look that resembles the query.

    Attributes:
        look: The prototype.
        similarity: Cosine to the query, in [-1, 1].
    """

    look: Look
    similarity: float


@dataclass(frozen=True, slots=True)
class Match:
    """A person who looks like the query.

    Attributes:
        identity: The person.
        similarity: Cosine of the nearest prototype, in [-1, 1].
        score: What that says.
        evidence: The prototypes that speak for it, most similar first.
        portrait: Their best picture, if there is one.
    """

    identity: Identity
    similarity: float
    score: Score
    evidence: tuple[Evidence, ...]
    portrait: PortraitRecord | None


@dataclass(frozen=True, slots=True)
class Query:
    """Whom to look for.

    Attributes:
        model_id: Running model of the vectors.
        vectors: What the person looks like; one at least.
        without: Who is no answer.
    """

    model_id: ModelId
    vectors: tuple[Vector, ...]
    without: frozenset[GlobalId] = frozenset()


@dataclass(frozen=True, slots=True)
class Scope:
    """Among whom to look.

    Attributes:
        environment_ids: Environments, each once.
        wanted: Which of their persons count.
        min_similarity: Least similarity that counts.
    """

    environment_ids: tuple[EnvironmentId, ...]
    wanted: IdentityFilter
    min_similarity: float


class SearchTable(Protocol):
    """Reads what a search needs to know about persons."""

    async def get(self, environment_id: EnvironmentId, global_id: GlobalId) -> Identity:
        """Return a person.

        Raises:
            NotFound: There is none of that id in the environment.
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

    async def looks(
        self, global_ids: Sequence[GlobalId], model_id: ModelId
    ) -> dict[GlobalId, list[Look]]:
        """Return the prototypes of some persons.

        Raises:
            Unavailable: The database is away.
        """

    async def portraits(
        self, global_ids: Sequence[GlobalId]
    ) -> dict[GlobalId, PortraitRecord]:
        """Return the best pictures of those who have one.

        Raises:
            Unavailable: The database is away.
        """


class VectorIndex(Protocol):
    """Finds the nearest prototypes of one model."""

    async def nearest(
        self,
        environment_id: EnvironmentId,
        vector: Vector,
        limit: int,
        timeline_ids: Sequence[TimelineId] = (),
    ) -> Nearest:
        """Return persons and the similarity of their nearest prototype, best first.

        Args:
            environment_id: Environment to search.
            vector: Query of that model.
            limit: Persons at most; fewer mean that there are no more.
            timeline_ids: Timelines to search; empty means all.

        Raises:
            Unavailable: The database is away.
        """

    async def search(
        self,
        environment_id: EnvironmentId,
        vector: Vector,
        wanted: IdentityFilter,
        limit: int,
    ) -> Nearest:
        """Return the nearest of those who pass a filter, exactly and more slowly.

        Raises:
            Unavailable: The database is away.
        """


class IdentitySearch:
    """Answers who looks like somebody.

    Args:
        table: Reads persons.
        indexes: By running model.
        meaning: What similarities are worth.
    """

    def __init__(
        self,
        table: SearchTable,
        indexes: Mapping[ModelId, VectorIndex],
        meaning: ScoreMeaning,
    ) -> None:
        self._table = table
        self._indexes = indexes
        self._meaning = meaning

    async def query_of(
        self, environment_id: EnvironmentId, global_id: GlobalId, model_id: ModelId
    ) -> Query:
        """Return the search for who looks like a person.

        Raises:
            NotFound: There is no such person.
            NotReady: No vector of the model is kept of the person.
            Unavailable: The database is away.
        """
        identity = await self._table.get(environment_id, global_id)
        passed = {global_id}
        while identity.merged_into:
            passed.add(identity.merged_into)
            identity = await self._table.get(environment_id, identity.merged_into)
        own = identity.global_id
        looks = (await self._table.looks([own], model_id)).get(own, [])
        if not looks:
            raise NotReady(f"no vector of {model_id} is kept of person {own}")
        weighty = sorted(looks, key=lambda one: (-one.count, one.prototype_id))
        vectors = tuple(one.vector for one in weighty[:_MOST_QUERY_VECTORS])
        return Query(model_id, vectors, frozenset(passed))

    async def search(
        self, query: Query, scope: Scope, *, offset: int, limit: int
    ) -> tuple[list[Match], bool]:
        """Return persons who look like a query, and whether there are more.

        They are ranked by similarity, each once.

        Args:
            query: Whom to look for.
            scope: Among whom.
            offset: Persons to pass over.
            limit: Persons at most.

        Raises:
            Unavailable: The database is away.
        """
        count = min(offset + limit + 1, MOST_REACHED)
        found: list[tuple[float, Identity]] = []
        for environment_id in scope.environment_ids:
            found += await self._search_one(query, environment_id, scope, count)
        found.sort(key=lambda one: (-one[0], one[1].global_id))
        shown = found[offset : min(offset + limit, MOST_REACHED)]
        more = offset + limit < min(len(found), MOST_REACHED)
        return await self._matches(query, shown), more

    async def _search_one(
        self, query: Query, environment_id: EnvironmentId, scope: Scope, count: int
    ) -> list[tuple[float, Identity]]:
        """Return who passes in one environment, `count` at most, best first.

        The filter is applied to the nearest persons. Where too few of them pass, the
        database compares with those who do.
        """
        index = self._indexes[query.model_id]
        timelines = scope.wanted.timeline_ids
        for factor in (_FIRST_REACH, _LAST_REACH):
            reach = factor * count + len(query.without)
            lists = [
                await index.nearest(environment_id, vector, reach, timelines)
                for vector in query.vectors
            ]
            passing = await self._passing(query, environment_id, scope, lists)
            complete = all(
                len(one) < reach or one[-1][1] < scope.min_similarity for one in lists
            )
            if complete or len(passing) >= count:
                return passing[:count]
        reach = count + len(query.without)
        lists = [
            await index.search(environment_id, vector, scope.wanted, reach)
            for vector in query.vectors
        ]
        return (await self._passing(query, environment_id, scope, lists))[:count]

    async def _passing(
        self,
        query: Query,
        environment_id: EnvironmentId,
        scope: Scope,
        lists: Iterable[Nearest],
    ) -> list[tuple[float, Identity]]:
        """Return those of the nearest who count, best first."""
        similar: dict[GlobalId, float] = {}
        for global_id, similarity in (one for nearest in lists for one in nearest):
            if similarity >= scope.min_similarity and global_id not in query.without:
                similar[global_id] = max(similarity, similar.get(global_id, -1.0))
        known = await self._table.matching(environment_id, list(similar), scope.wanted)
        passing = [(similar[one], identity) for one, identity in known.items()]
        return sorted(passing, key=lambda one: (-one[0], one[1].global_id))

    async def _matches(
        self, query: Query, shown: Sequence[tuple[float, Identity]]
    ) -> list[Match]:
        """Return persons with all that speaks for them."""
        ids = [identity.global_id for _, identity in shown]
        if not ids:
            return []
        looks = await self._table.looks(ids, query.model_id)
        portraits = await self._table.portraits(ids)
        scores = await self._scores(query.model_id, shown)
        return [
            Match(
                identity=identity,
                similarity=similarity,
                score=scores[identity.global_id],
                evidence=_evidence(looks.get(identity.global_id, ()), query.vectors),
                portrait=portraits.get(identity.global_id),
            )
            for similarity, identity in shown
        ]

    async def _scores(
        self, model_id: ModelId, shown: Sequence[tuple[float, Identity]]
    ) -> dict[GlobalId, Score]:
        """Return what each similarity says in the person's own environment."""
        scores: dict[GlobalId, Score] = {}
        for environment_id in sorted({one.environment_id for _, one in shown}):
            here = [pair for pair in shown if pair[1].environment_id == environment_id]
            meant = await self._meaning.scores(
                environment_id, model_id, [similarity for similarity, _ in here]
            )
            ids = (identity.global_id for _, identity in here)
            scores |= dict(zip(ids, meant, strict=True))
        return scores


def _evidence(looks: Iterable[Look], vectors: Sequence[Vector]) -> tuple[Evidence, ...]:
    """Return the looks that resemble a query most, most similar first."""
    ranked = [
        Evidence(one, max(float(one.vector @ vector) for vector in vectors))
        for one in looks
    ]
    ranked.sort(key=lambda one: (-one.similarity, one.look.prototype_id))
    return tuple(ranked[:_EVIDENCE_EACH])
