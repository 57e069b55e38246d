"""Carry out what happened to identities: merges, splits, tracks that change hands.

Only rows of `persons` and `stays` change. An identity's person is found by following
`merged_into`, so what a split takes back is exactly what the merge had joined.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.analytics.domain.columns import IdentityChange, TrackMove
from services.common.ids import EnvironmentId

_PERSONS_OF = """
    SELECT global_id, person_id, merged_into FROM persons
    WHERE environment_id = %(environment_id)s AND global_id = ANY(%(identities)s)
"""
_UNDO_MOVES = """
    UPDATE stays SET global_id = published_id, moved_frame_set = NULL
    WHERE environment_id = %(environment_id)s
      AND global_id = %(survivor)s AND published_id = %(former)s
      AND moved_frame_set >= %(frame_set)s
"""
_MERGE_INTO = """
    UPDATE persons SET merged_into = %(into)s
    WHERE environment_id = %(environment_id)s AND global_id = %(away)s
"""
_SPLIT_FROM = """
    UPDATE persons SET split_from = coalesce(split_from, %(from)s)
    WHERE environment_id = %(environment_id)s AND global_id = %(to)s
"""
_FOLLOW = """
    WITH RECURSIVE family AS (
        SELECT global_id, merged_into FROM persons
        WHERE environment_id = %(environment_id)s AND person_id = ANY(%(persons)s)
    ), roots AS (
        SELECT global_id, global_id AS person_id FROM family WHERE merged_into IS NULL
        UNION
        SELECT family.global_id, roots.person_id
        FROM family JOIN roots ON family.merged_into = roots.global_id
    )
    UPDATE persons SET person_id = roots.person_id FROM roots
    WHERE persons.environment_id = %(environment_id)s
      AND persons.global_id = roots.global_id
      AND persons.person_id <> roots.person_id
"""
_OWN_STAYS = """
    UPDATE stays SET person_id = persons.person_id FROM persons
    WHERE stays.environment_id = %(environment_id)s
      AND persons.environment_id = stays.environment_id
      AND persons.global_id = stays.global_id
      AND persons.person_id <> stays.person_id
      AND stays.person_id = ANY(%(persons)s)
    RETURNING stays.start_time, stays.end_time, stays.person_id
"""
_MOVE = """
    UPDATE stays SET
        global_id = %(after)s, person_id = %(person_id)s,
        moved_frame_set = %(frame_set)s
    WHERE environment_id = %(environment_id)s
      AND session_id = %(session_id)s
      AND camera_id = %(camera_id)s
      AND track_id = %(track_id)s
      AND global_id = %(before)s
      AND NOT EXISTS (
        SELECT 1 FROM stays other
        WHERE other.environment_id = stays.environment_id
          AND other.global_id = %(after)s
          AND other.camera_id = stays.camera_id
          AND other.track_id <> stays.track_id
          AND other.start_time < stays.end_time
          AND other.end_time > stays.start_time
      )
    RETURNING start_time, end_time, person_id
"""


@dataclass(slots=True)
class Affected:
    """Whose stays mean something else than before, and when.

    Attributes:
        persons: Persons, before and after.
        start: Begin of the first stay that changed; None when none did.
        end: End of the last stay that changed.
    """

    persons: set[int] = field(default_factory=set)
    start: datetime | None = None
    end: datetime | None = None

    def add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take in stays that changed: start, end, person."""
        for start, end, person_id in rows:
            self.start = min(self.start or start, start)
            self.end = max(self.end or end, end)
            self.persons.add(person_id)


class Lineage:
    """Identities of one environment, within one transaction."""

    def __init__(
        self, connection: AsyncConnection[TupleRow], environment_id: EnvironmentId
    ) -> None:
        self._connection = connection
        self._environment_id = environment_id
        self.affected = Affected()

    async def apply(self, change: IdentityChange | TrackMove) -> None:
        """Carry out one change; those without effect on persons do nothing."""
        match change:
            case TrackMove():
                await self._move(change)
            case IdentityChange(kind="merged") if change.other:
                await self._merge(change)
            case IdentityChange(kind="split") if change.other:
                await self._split(change)

    async def _merge(self, change: IdentityChange) -> None:
        persons = await self._persons_of(change.global_id, change.other)
        survivor, _ = persons[change.global_id]
        former, _ = persons[change.other]
        # The track of the former was seen with the survivor before this was heard.
        await self._execute(
            _UNDO_MOVES,
            survivor=change.global_id,
            former=change.other,
            frame_set=change.frame_set or 0,
        )
        if survivor != former:
            await self._execute(_MERGE_INTO, into=change.global_id, away=former)
        await self._follow({survivor, former})

    async def _split(self, change: IdentityChange) -> None:
        persons = await self._persons_of(change.global_id, change.other)
        (whole, own_into), (part, part_into) = (
            persons[change.global_id],
            persons[change.other],
        )
        if whole != part:
            names = {"from": change.global_id, "to": change.other}
            await self._execute(_SPLIT_FROM, **names)
        elif part_into is not None:
            await self._execute(_MERGE_INTO, into=None, away=change.other)
            await self._follow({whole})
        elif own_into is not None:
            await self._execute(_MERGE_INTO, into=None, away=change.global_id)
            await self._follow({whole})

    async def _move(self, move: TrackMove) -> None:
        persons = await self._persons_of(move.before, move.after)
        if move.before not in persons or move.after not in persons:
            return
        before, after = persons[move.before][0], persons[move.after][0]
        if before == after:
            return
        cursor = await self._execute(
            _MOVE,
            **move.key._asdict(),
            frame_set=move.frame_set,
            before=move.before,
            after=move.after,
            person_id=after,
        )
        self.affected.add(await cursor.fetchall())
        self.affected.persons |= {before, after}

    async def _follow(self, persons: set[int]) -> None:
        """Find anew who the identities of persons are."""
        family = list(persons)
        await self._execute(_FOLLOW, persons=family)
        cursor = await self._execute(_OWN_STAYS, persons=family)
        self.affected.add(await cursor.fetchall())
        self.affected.persons |= persons

    async def _persons_of(self, *identities: int) -> dict[int, tuple[int, int | None]]:
        cursor = await self._execute(_PERSONS_OF, identities=list(identities))
        return {row[0]: (row[1], row[2]) for row in await cursor.fetchall()}

    async def _execute(self, query: str, **values: Any) -> Any:
        names = {"environment_id": self._environment_id, **values}
        return await self._connection.execute(query, names)
