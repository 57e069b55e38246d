"""Every stored person of a timeline, found by looks."""

from collections.abc import Sequence
from typing import Protocol

from services.common.ids import EnvironmentId, GlobalId, SessionId, TimelineId
from services.common.postgres import Pool, translated_errors
from services.reid.adapters.identity_rows import (
    PROTOTYPE_COLUMNS,
    person_from_row,
    prototype_from_row,
)
from services.reid.domain.appearance import AppearanceModel
from services.reid.domain.person import Person
from services.reid.domain.recall import Question
from services.reid.domain.values import Vector
from services.reid.service.timeline_store import Lease

_NAMED = 16
"""Persons whom an answer names; those who are in the live set anyway are among them."""

_DOUBT = 0.1
"""How far below the model's match similarity somebody may still be the same: what a
similarity is worth is learned on the spot, and further crops may be clearer."""

_CLOSE = 0.15
"""How far behind the most similar one somebody may be to be named: whoever is further
back only stands in the way of a decision."""

_PERSONS = """
    SELECT global_id, session_id, state FROM identities
    WHERE global_id = ANY(%s) AND timeline_id = %s AND merged_into IS NULL
        AND expired_time IS NULL
"""

_PROTOTYPES = f"""
    SELECT {PROTOTYPE_COLUMNS} FROM prototypes
    WHERE global_id = ANY(%s) AND model_id = %s AND vector IS NOT NULL
    ORDER BY prototype_id
"""  # noqa: S608 - constants.


class Index(Protocol):
    """Finds the nearest persons of one model."""

    async def nearest(
        self,
        environment_id: EnvironmentId,
        vector: Vector,
        limit: int,
        timeline_ids: Sequence[TimelineId] = (),
    ) -> Sequence[tuple[GlobalId, float]]:
        """Return persons and the similarity of their nearest prototype, best first."""


class PostgresArchive:
    """Finds persons by an index, and loads them from PostgreSQL."""

    def __init__(self, pool: Pool, index: Index, model: AppearanceModel) -> None:
        self._pool = pool
        self._index = index
        self._model_id = model.model_id
        self._least = model.match_similarity - _DOUBT

    async def nearest(self, lease: Lease, question: Question) -> list[Person]:
        """Return a few others of a timeline, those who look most like it first.

        Raises:
            Unavailable: The database is away.
        """
        best: dict[GlobalId, float] = {}
        for vector in question.vectors:
            for global_id, similarity in await self._index.nearest(
                lease.environment_id, vector, _NAMED, (lease.timeline_id,)
            ):
                if similarity >= self._least:
                    best[global_id] = max(similarity, best.get(global_id, -1.0))
        best.pop(question.global_id, None)
        least = max(best.values(), default=0.0) - _CLOSE
        close = [one for one in best if best[one] >= least]
        ranked = sorted(close, key=lambda one: (-best[one], one))[:_NAMED]
        persons = await self._load(ranked, lease)
        return [persons[one] for one in ranked if one in persons]

    async def _load(
        self, global_ids: list[GlobalId], lease: Lease
    ) -> dict[GlobalId, Person]:
        """Return those who still stand for themselves, with what they look like."""
        if not global_ids:
            return {}
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(
                    _PERSONS, (global_ids, lease.timeline_id)
                )
                persons = {
                    GlobalId(global_id): person_from_row(
                        state, SessionId(session), lease.session_id
                    )
                    for global_id, session, state in await cursor.fetchall()
                }
                cursor = connection.cursor(binary=True)
                known = (list(persons), self._model_id)
                await cursor.execute(_PROTOTYPES.encode(), known)
                for row in await cursor.fetchall():
                    stored = prototype_from_row(row)
                    persons[stored.global_id].prototypes.append(stored.ended)
        return persons
