"""Leases of sessions in PostgreSQL, as owners see them.

The database's clock decides when a lease is over. Every write of an owner names its
epoch and changes nothing once a newer one exists.
"""

import asyncio
from collections.abc import AsyncIterator

import structlog
from psycopg import AsyncConnection, OperationalError, sql

from services.common.ids import SessionId
from services.common.postgres import Pool
from services.pipeline.adapters.session_rows import (
    Row,
    desired_from_row,
    error_to_bytes,
    progress_to_bytes,
    session_from_row,
)
from services.pipeline.adapters.session_store import (
    CHANNEL,
    fetch_one,
    open_transaction,
)
from services.pipeline.domain.lease import Lease, LeaseLost
from services.pipeline.domain.session import Desired
from services.pipeline.owner import Report

_ACQUIRE = sql.SQL("""
    UPDATE sessions SET
        owner = %(owner)s,
        owner_address = %(owner_address)s,
        epoch = epoch + 1,
        lease_expires_at = clock_timestamp() + make_interval(secs => %(duration_s)s),
        update_time = clock_timestamp()
    WHERE session_id = (
        SELECT session_id FROM sessions
        WHERE state IN ('pending', 'running', 'paused')
          AND lease_expires_at < clock_timestamp()
        ORDER BY create_time
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    RETURNING *
""")
_RENEW = sql.SQL("""
    UPDATE sessions SET
        lease_expires_at = clock_timestamp() + make_interval(secs => %(duration_s)s),
        state = %(state)s,
        applied_revision = %(applied_revision)s,
        progress = coalesce(%(progress)s, progress),
        update_time = clock_timestamp()
    WHERE session_id = %(session_id)s AND epoch = %(epoch)s AND owner = %(owner)s
    RETURNING *
""")
_RELEASE = sql.SQL("""
    UPDATE sessions SET
        owner = '',
        owner_address = '',
        lease_expires_at = clock_timestamp() + make_interval(secs => %(pause_s)s),
        state = %(state)s,
        applied_revision = %(applied_revision)s,
        progress = coalesce(%(progress)s, progress),
        error = %(error)s,
        update_time = clock_timestamp()
    WHERE session_id = %(session_id)s AND epoch = %(epoch)s AND owner = %(owner)s
    RETURNING pg_notify(%(channel)s, session_id)
""")

_LISTEN = sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL))
_RECONNECT_S = 1.0

_log = structlog.get_logger(__name__)


class PostgresLeaseStore:
    """Gives out leases; see LeaseStore."""

    def __init__(self, pool: Pool, dsn: str, duration_s: float) -> None:
        """Keep the collaborators.

        Args:
            pool: Connections for the writes.
            dsn: Where to listen for changes.
            duration_s: Time after which a lease that was not renewed is over.
        """
        self._pool = pool
        self._dsn = dsn
        self._duration_s = duration_s

    async def acquire(self, owner: str, address: str = "") -> Lease | None:
        """Take the oldest session that needs an owner, if there is one.

        Args:
            owner: Name of the process.
            address: Where it answers, `host:port`; empty when it cannot be asked.

        Raises:
            Unavailable: PostgreSQL is away.
        """
        values = {
            "owner": owner,
            "owner_address": address,
            "duration_s": self._duration_s,
        }
        async with open_transaction(self._pool) as cursor:
            row = await fetch_one(cursor, _ACQUIRE, values)
        if row is None:
            return None
        session = session_from_row(row)
        return Lease(session, owner, session.epoch)

    async def renew(self, lease: Lease, report: Report) -> Desired:
        """Hold on to a session, write how it is doing, and read what is desired.

        Raises:
            LeaseLost: The session has another owner.
            Unavailable: PostgreSQL is away.
        """
        values = _report_to_row(lease, report) | {"duration_s": self._duration_s}
        async with open_transaction(self._pool) as cursor:
            row = await fetch_one(cursor, _RENEW, values)
        return desired_from_row(_held(row, lease))

    async def release(self, lease: Lease, report: Report, *, pause_s: float) -> None:
        """Write how a session ended, or let it go on elsewhere after `pause_s`.

        Raises:
            LeaseLost: The session has another owner.
            Unavailable: PostgreSQL is away.
        """
        values = _report_to_row(lease, report)
        values |= {"pause_s": pause_s, "channel": CHANNEL}
        async with open_transaction(self._pool) as cursor:
            row = await fetch_one(cursor, _RELEASE, values)
        _held(row, lease)

    async def changes(self) -> AsyncIterator[SessionId]:
        """Yield each session that is created, commanded or let go, for ever.

        Changes while PostgreSQL is away are not told: look for yourself now and then.
        """
        while True:
            try:
                connection = await AsyncConnection.connect(self._dsn, autocommit=True)
                async with connection:
                    await connection.execute(_LISTEN)
                    async for notice in connection.notifies():
                        yield SessionId(notice.payload)
            except OperationalError as error:
                _log.warning("cannot listen for commands", cause=str(error))
            await asyncio.sleep(_RECONNECT_S)


def _report_to_row(lease: Lease, report: Report) -> Row:
    return {
        "session_id": lease.session.session_id,
        "epoch": lease.epoch,
        "owner": lease.owner,
        "state": report.state.value,
        "applied_revision": report.applied_revision,
        "progress": progress_to_bytes(report.progress),
        "error": error_to_bytes(report.error),
    }


def _held(row: Row | None, lease: Lease) -> Row:
    if row is None:
        raise LeaseLost(
            f"session {lease.session.session_id} passed from epoch {lease.epoch} to "
            "another owner"
        )
    return row
