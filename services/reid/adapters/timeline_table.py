"""Timelines in PostgreSQL: one transaction for all that a group of ticks changes."""

from collections.abc import Callable
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.common.errors import Conflict
from services.common.ids import GlobalId, ModelId, SessionId
from services.common.postgres import Pool, translated_errors
from services.reid.adapters.feedback_rows import (
    pairs_from_rows,
    write_comparison,
    write_feedback,
)
from services.reid.adapters.identity_rows import (
    FORGET_PROTOTYPES,
    MOVE_PROTOTYPES,
    PROTOTYPES_OF,
    PRUNE_CAMERAS,
    UPSERT_CAMERA,
    UPSERT_IDENTITY,
    UPSERT_PROTOTYPE,
    camera_rows,
    identity_row,
    person_from_row,
    prototype_from_row,
    prototype_row,
)
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.person import Person
from services.reid.domain.values import EventKind, IdentityChange
from services.reid.service.timeline_store import (
    Commit,
    Lease,
    StoredAnswer,
    StoredTimeline,
)

Connection = AsyncConnection[TupleRow]
EventEncoder = Callable[[Lease, IdentityChange], bytes]
"""Returns an event in the form that the outbox keeps it in."""

ANSWERS_KEPT = 64
"""Ticks that can be answered again; several credit windows."""

_S_NS = 1_000_000_000

_TAKE = """
    INSERT INTO timelines (
        environment_id, timeline_id, epoch, writer, session_id, held_until)
    VALUES (
        %(environment_id)s, %(timeline_id)s, %(epoch)s, %(writer)s, %(session_id)s,
        now() + interval '5 seconds')
    ON CONFLICT (environment_id, timeline_id) DO UPDATE
    SET epoch = excluded.epoch, writer = excluded.writer,
        held_until = excluded.held_until
    WHERE timelines.epoch <= excluded.epoch AND (
        NOT %(only_idle)s OR timelines.held_until IS NULL
        OR timelines.held_until < now() OR timelines.writer = excluded.writer)
    RETURNING session_id, time_ns, state, recalled, applied_revision
"""

_RECOGNISABLE = """
    (SELECT global_id, session_id, state FROM identities
    WHERE environment_id = %(environment_id)s AND timeline_id = %(timeline_id)s
        AND merged_into IS NULL AND expired_time IS NULL
        AND last_seen_ns >= %(oldest_ns)s
    ORDER BY last_seen_ns DESC LIMIT %(most)s)
    UNION
    SELECT global_id, session_id, state FROM identities
    WHERE global_id = ANY(%(recalled)s) AND expired_time IS NULL
"""

_APART = """
    SELECT first_id, second_id FROM told_apart
    WHERE environment_id = %(environment_id)s AND timeline_id = %(timeline_id)s
"""

_WENT = """
    WITH RECURSIVE chain AS (
        SELECT global_id, merged_into FROM identities
        WHERE global_id = ANY(%s) AND merged_into IS NOT NULL
        UNION
        SELECT next.global_id, next.merged_into
        FROM chain JOIN identities AS next ON next.global_id = chain.merged_into
        WHERE next.merged_into IS NOT NULL
    )
    SELECT global_id, merged_into FROM chain
"""

_ANSWERS = """
    SELECT session_id, frame_set, answer FROM tick_answers
    WHERE environment_id = %(environment_id)s AND timeline_id = %(timeline_id)s
    ORDER BY frame_set
"""

_ADVANCE = """
    UPDATE timelines
    SET frame_set = %(frame_set)s, time_ns = %(time_ns)s, state = %(state)s,
        session_id = %(session_id)s, recalled = %(recalled)s,
        applied_revision = %(applied_after)s
    WHERE environment_id = %(environment_id)s AND timeline_id = %(timeline_id)s
        AND epoch = %(epoch)s AND writer = %(writer)s AND frame_set = %(after)s
        AND applied_revision = %(applied)s
"""

_HOLDER = """
    SELECT epoch, writer, frame_set, applied_revision FROM timelines
    WHERE environment_id = %(environment_id)s AND timeline_id = %(timeline_id)s
"""

_ANSWER = """
    INSERT INTO tick_answers
    VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (environment_id, timeline_id, slot) DO UPDATE SET
        session_id = excluded.session_id, frame_set = excluded.frame_set,
        answer = excluded.answer
"""

_ANNOUNCE = """
    INSERT INTO outbox (environment_id, timeline_id, event) VALUES (%s, %s, %s)
"""

_PURGE = """
    DELETE FROM prototypes
    WHERE environment_id = %s AND vector IS NULL
        AND changed_time < now() - interval '1 day'
"""


class TimelineTable:
    """Keeps timelines in PostgreSQL.

    Args:
        pool: Connections to the schema.
        model_id: Embedder whose prototypes are compared.
        config: How long and how many absent persons are recognised.
        encode_event: Form of the events in the outbox.
    """

    def __init__(
        self,
        pool: Pool,
        model_id: ModelId,
        config: AssociationConfig,
        encode_event: EventEncoder,
    ) -> None:
        self._pool = pool
        self._model_id = model_id
        self._config = config
        self._encode_event = encode_event

    async def open(self, lease: Lease) -> StoredTimeline:
        """Take the timeline and return what it holds.

        Raises:
            Conflict: A newer epoch has it.
            Unavailable: The database is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(_TAKE, _names(lease))
                taken = await cursor.fetchone()
                if taken is None:
                    raise Conflict("somebody else has taken the timeline")
                await connection.execute(_PURGE, (lease.environment_id,))
                return await self._load(connection, lease, *taken)

    async def _load(
        self,
        connection: Connection,
        lease: Lease,
        session_id: str,
        time_ns: int,
        state: bytes | None,
        recalled: list[int],
        applied: int,
    ) -> StoredTimeline:
        persons = await self._persons(
            connection, lease, SessionId(session_id), time_ns, recalled
        )
        cursor = connection.cursor(binary=True)
        await cursor.execute(PROTOTYPES_OF.encode(), (list(persons), self._model_id))
        prototypes = tuple(map(prototype_from_row, await cursor.fetchall()))
        answers = await connection.execute(_ANSWERS, _names(lease))
        told = await connection.execute(_APART, _names(lease))
        apart = pairs_from_rows(await told.fetchall())
        named = sorted({global_id for pair in apart for global_id in pair})
        went = await connection.execute(_WENT, (named,))
        return StoredTimeline(
            state=state,
            persons=persons,
            prototypes=prototypes,
            answers=tuple(
                StoredAnswer(SessionId(session), frame_set, answer)
                for session, frame_set, answer in await answers.fetchall()
            ),
            applied=applied,
            apart=apart,
            went=dict(await went.fetchall()),
        )

    async def _persons(
        self,
        connection: Connection,
        lease: Lease,
        session_id: SessionId,
        time_ns: int,
        recalled: list[int],
    ) -> dict[GlobalId, Person]:
        """Return those who can be recognised; the present ones come first."""
        horizon_ns = int(self._config.gallery_horizon_s * _S_NS)
        bounds = {
            "oldest_ns": time_ns - horizon_ns,
            "most": 2 * self._config.gallery_limit,
            "recalled": recalled,
        }
        cursor = await connection.execute(_RECOGNISABLE, _names(lease) | bounds)
        return {
            GlobalId(global_id): person_from_row(state, session, session_id)
            for global_id, session, state in await cursor.fetchall()
        }

    async def commit(self, lease: Lease, commit: Commit) -> None:
        """Store what ticks changed, unless it is stored already.

        Raises:
            Conflict: Somebody else has taken the timeline.
            Unavailable: The database is away; it may or may not be stored.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                advanced = await self._write(connection, lease, commit)
                if not advanced:
                    await connection.rollback()
                    await self._explain(connection, lease, commit)

    async def _write(
        self, connection: Connection, lease: Lease, commit: Commit
    ) -> bool:
        """Send every statement at once; return whether the timeline is still ours."""
        async with connection.pipeline() as pipeline:
            advanced = await connection.execute(
                _ADVANCE,
                _names(lease)
                | {
                    "after": commit.after,
                    "frame_set": commit.frame_set,
                    "time_ns": commit.time_ns,
                    "state": commit.state,
                    "recalled": list(commit.recalled),
                    "applied": commit.applied,
                    "applied_after": _applied_after(commit),
                },
            )
            await write_comparison(connection, lease, commit)
            await self._write_identities(connection, lease, commit)
            await self._write_prototypes(connection, lease, commit)
            await self._write_answers(connection, lease, commit)
            await write_feedback(connection, lease, commit)
            await pipeline.sync()
        return advanced.rowcount == 1

    async def _write_identities(
        self, connection: Connection, lease: Lease, commit: Commit
    ) -> None:
        for global_id, snapshot in commit.identities.items():
            await connection.execute(UPSERT_IDENTITY, identity_row(snapshot, lease))
            cameras = list(snapshot.cameras)
            await connection.execute(PRUNE_CAMERAS, (global_id, cameras))
            for row in camera_rows(snapshot):
                await connection.execute(UPSERT_CAMERA, row)

    async def _write_prototypes(
        self, connection: Connection, lease: Lease, commit: Commit
    ) -> None:
        for into, away in _merges(commit):
            names = {"into": into, "away": away}
            await connection.execute(MOVE_PROTOTYPES, names)
        for global_id, prototype in commit.prototypes.values():
            row = prototype_row(global_id, prototype, lease, self._model_id)
            await connection.execute(UPSERT_PROTOTYPE, row)
        if commit.forgotten:
            await connection.execute(FORGET_PROTOTYPES, (list(commit.forgotten),))

    async def _write_answers(
        self, connection: Connection, lease: Lease, commit: Commit
    ) -> None:
        place = (lease.environment_id, lease.timeline_id)
        for one in commit.answers:
            slot = one.frame_set % ANSWERS_KEPT
            row = (*place, slot, one.session_id, one.frame_set, one.answer)
            await connection.execute(_ANSWER, row)
        for event in commit.events:
            encoded = self._encode_event(lease, event)
            await connection.execute(_ANNOUNCE, (*place, encoded))

    @staticmethod
    async def _explain(connection: Connection, lease: Lease, commit: Commit) -> None:
        """Return if an earlier attempt has stored the commit.

        Raises:
            Conflict: Somebody else has taken the timeline.
        """
        cursor = await connection.execute(_HOLDER, _names(lease))
        holder = await cursor.fetchone()
        done = (lease.epoch, lease.writer, commit.frame_set, _applied_after(commit))
        if holder == done:
            return
        if holder is not None and holder[0] == lease.epoch:
            raise Conflict("a newer stream has taken the timeline")
        raise Conflict("a newer epoch has taken the timeline")


def _merges(commit: Commit) -> list[tuple[GlobalId, GlobalId]]:
    """Return the merges in their order: survivor, and who went on as that.

    Each leaves its mark on the prototypes that it moves, so that it can be undone.
    """
    return [
        (event.global_id, event.other_global_id)
        for event in commit.events
        if event.kind is EventKind.MERGED
    ]


def _applied_after(commit: Commit) -> int:
    """Return the newest command that is carried out once a commit is stored."""
    return commit.carried.revision if commit.carried else commit.applied


def _names(lease: Lease) -> dict[str, Any]:
    """Return the parameters that every statement about a timeline needs."""
    return {
        "environment_id": lease.environment_id,
        "timeline_id": lease.timeline_id,
        "session_id": lease.session_id,
        "epoch": lease.epoch,
        "writer": lease.writer,
        "only_idle": lease.only_idle,
    }
