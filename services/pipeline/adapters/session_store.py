"""Sessions in PostgreSQL, as callers see them: created, read, commanded."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from psycopg import AsyncCursor, sql
from psycopg.rows import dict_row

from services.common.errors import InvalidInput, NotFound, Overloaded
from services.common.ids import EnvironmentId, SessionId, TimelineId
from services.common.postgres import Pool, translated_errors
from services.pipeline.adapters.session_rows import (
    Row,
    desired_to_row,
    request_to_row,
    session_from_row,
)
from services.pipeline.domain.session import Desired, Session, SessionRequest

MAX_UNFINISHED = 8
"""Sessions of one environment that have not ended, unless configured otherwise."""

CHANNEL = "spoton_pipeline_sessions"
"""Channel on which every new session and command is announced, by session id."""

_ANNOUNCE = sql.SQL("SELECT pg_notify(%s, %s)")
_ONE = sql.SQL("""
    SELECT * FROM sessions
    WHERE environment_id = %(environment_id)s AND session_id = %(session_id)s
""")
_ONE_LOCKED = sql.Composed([_ONE, sql.SQL("FOR UPDATE")])
_BY_REQUEST = sql.SQL("""
    SELECT * FROM sessions
    WHERE environment_id = %(environment_id)s AND request_id = %(request_id)s
""")
_PAGE = sql.SQL("""
    SELECT * FROM sessions
    WHERE environment_id = %(environment_id)s
      AND %(creator)s IN ('', creator_subject)
    ORDER BY create_time DESC, session_id DESC LIMIT %(limit)s
""")
_PAGE_AFTER = sql.SQL("""
    SELECT * FROM sessions
    WHERE environment_id = %(environment_id)s
      AND (create_time, session_id) < (%(create_time)s, %(session_id)s)
      AND %(creator)s IN ('', creator_subject)
    ORDER BY create_time DESC, session_id DESC LIMIT %(limit)s
""")
_LOCK_ENVIRONMENT = sql.SQL(
    "SELECT pg_advisory_xact_lock(hashtextextended(%(environment_id)s, 0))"
)
_UNFINISHED = sql.SQL("""
    SELECT count(*) AS unfinished FROM sessions
    WHERE environment_id = %(environment_id)s
      AND state IN ('pending', 'running', 'paused')
""")
_COMMAND = sql.SQL("""
    UPDATE sessions SET
        desired_revision = %(desired_revision)s,
        desired_mode = %(desired_mode)s,
        desired_speed = %(desired_speed)s,
        seek_revision = %(seek_revision)s,
        seek_position_ns = %(seek_position_ns)s,
        update_time = clock_timestamp()
    WHERE session_id = %(session_id)s
    RETURNING *
""")


class PostgresSessionStore:
    """Keeps sessions; see SessionStore."""

    def __init__(self, pool: Pool, most_unfinished: int = MAX_UNFINISHED) -> None:
        """Keep the collaborators.

        Args:
            pool: Connections to PostgreSQL.
            most_unfinished: Sessions of one environment that have not ended.
        """
        self._pool = pool
        self._most_unfinished = most_unfinished

    async def create(
        self, session_id: SessionId, timeline_id: TimelineId, request: SessionRequest
    ) -> Session:
        """Store a new session, or return the one with the same request id.

        Raises:
            Overloaded: The environment has as many unfinished sessions as it may.
            Unavailable: PostgreSQL is away.
        """
        row = request_to_row(request)
        row |= {"session_id": session_id, "timeline_id": timeline_id}
        insert = sql.SQL(
            "INSERT INTO sessions ({}) VALUES ({})"
            " ON CONFLICT (environment_id, request_id) DO NOTHING RETURNING *"
        ).format(
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(map(sql.Placeholder, row)),
        )
        async with open_transaction(self._pool) as cursor:
            await cursor.execute(_LOCK_ENVIRONMENT, row)
            created = await fetch_one(cursor, insert, row)
            if created is not None:
                await self._require_within(cursor, row)
                await cursor.execute(_ANNOUNCE, (CHANNEL, session_id))
                return session_from_row(created)
            existing = await fetch_one(cursor, _BY_REQUEST, row)
        return session_from_row(_found(existing, session_id))

    async def _require_within(self, cursor: AsyncCursor[Row], row: Row) -> None:
        """Roll back where an environment, which is locked, has too many sessions."""
        counted = await fetch_one(cursor, _UNFINISHED, row)
        if counted is not None and counted["unfinished"] > self._most_unfinished:
            raise Overloaded(
                f"an environment may have {self._most_unfinished} unfinished sessions; "
                "stop one, or wait until one has ended"
            )

    async def get(
        self, environment_id: EnvironmentId, session_id: SessionId
    ) -> Session:
        """Return a session.

        Raises:
            NotFound: The environment has no such session.
            Unavailable: PostgreSQL is away.
        """
        names = {"environment_id": environment_id, "session_id": session_id}
        async with open_transaction(self._pool) as cursor:
            row = await fetch_one(cursor, _ONE, names)
        return session_from_row(_found(row, session_id))

    async def list(
        self,
        environment_id: EnvironmentId,
        *,
        limit: int,
        after: SessionId | None,
        creator_subject: str,
    ) -> Sequence[Session]:
        """Return up to `limit` sessions, newest first, beginning behind `after`.

        Only those of a creator, unless `creator_subject` is empty.

        Raises:
            InvalidInput: There is no session `after`.
            Unavailable: PostgreSQL is away.
        """
        names: Row = {"environment_id": environment_id, "session_id": after}
        wanted = {"limit": limit, "creator": creator_subject}
        async with open_transaction(self._pool) as cursor:
            if after is None:
                await cursor.execute(_PAGE, names | wanted)
            else:
                last = await fetch_one(cursor, _ONE, names)
                if last is None:
                    raise InvalidInput("is not from a page before", field="page_token")
                await cursor.execute(_PAGE_AFTER, last | wanted)
            rows = await cursor.fetchall()
        return [session_from_row(row) for row in rows]

    async def command(
        self,
        environment_id: EnvironmentId,
        session_id: SessionId,
        change: Callable[[Session], Desired],
    ) -> Session:
        """Replace what is desired by what `change` returns, seen by no one between.

        Raises:
            NotFound: The environment has no such session.
            Unavailable: PostgreSQL is away.
        """
        names: Row = {"environment_id": environment_id, "session_id": session_id}
        async with open_transaction(self._pool) as cursor:
            row = await fetch_one(cursor, _ONE_LOCKED, names)
            session = session_from_row(_found(row, session_id))
            desired = change(session)
            if desired == session.desired:
                return session
            updated = await fetch_one(cursor, _COMMAND, names | desired_to_row(desired))
            await cursor.execute(_ANNOUNCE, (CHANNEL, session_id))
        return session_from_row(_found(updated, session_id))


@contextlib.asynccontextmanager
async def open_transaction(pool: Pool) -> AsyncIterator[AsyncCursor[Row]]:
    """Open a transaction whose rows are dictionaries.

    Raises:
        Unavailable: PostgreSQL is away.
    """
    with translated_errors():
        async with (
            pool.connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            yield cursor


async def fetch_one(
    cursor: AsyncCursor[Row], query: sql.SQL | sql.Composed, values: Row
) -> Row | None:
    """Return the first row that a query answers, if there is one."""
    await cursor.execute(query, values)
    return await cursor.fetchone()


def _found(row: Row | None, session_id: SessionId) -> Row:
    if row is None:
        raise NotFound(f"the environment has no session {session_id}")
    return row
