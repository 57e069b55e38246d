"""Leases of environments in PostgreSQL, and who is there to hold them.

The database's clock decides when a lease is over.
"""

from collections.abc import Iterable

from services.analytics.domain.lease import Lease, LeaseLost
from services.common.ids import EnvironmentId
from services.common.postgres import Pool, translated_errors

_ANNOUNCE = (
    "INSERT INTO environments (environment_id) VALUES (%s) ON CONFLICT DO NOTHING"
)
_ACQUIRE = """
    UPDATE environments SET
        owner = %(owner)s,
        epoch = epoch + 1,
        lease_expires_at = clock_timestamp() + make_interval(secs => %(duration_s)s)
    WHERE environment_id = (
        SELECT environment_id FROM environments
        WHERE lease_expires_at < clock_timestamp()
        ORDER BY lease_expires_at, environment_id
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    RETURNING environment_id, number, epoch
"""
_RENEW = """
    UPDATE environments SET
        lease_expires_at = clock_timestamp() + make_interval(secs => %(duration_s)s)
    WHERE environment_id = %(environment_id)s AND epoch = %(epoch)s
"""
_RELEASE = """
    UPDATE environments SET owner = '', lease_expires_at = 'epoch'
    WHERE environment_id = %(environment_id)s AND epoch = %(epoch)s
"""
_HEARTBEAT = """
    INSERT INTO workers (owner, seen_at) VALUES (%(owner)s, clock_timestamp())
    ON CONFLICT (owner) DO UPDATE SET seen_at = excluded.seen_at
"""
_LEAVE = "DELETE FROM workers WHERE owner = %s"
_FORGET = "DELETE FROM workers WHERE seen_at < clock_timestamp() - interval '1 day'"
_COUNTS = """
    SELECT
        (SELECT count(*) FROM environments),
        (SELECT count(*) FROM workers
         WHERE seen_at > clock_timestamp() - make_interval(secs => %(duration_s)s))
"""


class PostgresLeaseStore:
    """Gives out environments, each to one process at a time."""

    def __init__(self, pool: Pool, duration_s: float) -> None:
        """Keep the collaborators.

        Args:
            pool: Connections.
            duration_s: Time after which a lease that was not renewed is over.
        """
        self._pool = pool
        self._duration_s = duration_s

    async def announce(self, environment_ids: Iterable[EnvironmentId]) -> None:
        """Let environments be stored from now on; known ones stay as they are.

        Raises:
            Unavailable: PostgreSQL is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                await connection.cursor().executemany(
                    _ANNOUNCE, [(one,) for one in environment_ids]
                )

    async def fair_share(self, owner: str) -> int:
        """Say that a process lives, and return how many environments are its part.

        Raises:
            Unavailable: PostgreSQL is away.
        """
        values = {"owner": owner, "duration_s": self._duration_s}
        with translated_errors():
            async with self._pool.connection() as connection:
                await connection.execute(_HEARTBEAT, values)
                await connection.execute(_FORGET)
                cursor = await connection.execute(_COUNTS, values)
                environments, workers = await cursor.fetchone() or (0, 1)
        return -(-int(environments) // max(int(workers), 1))

    async def leave(self, owner: str) -> None:
        """Leave the environments to the processes that stay.

        Raises:
            Unavailable: PostgreSQL is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                await connection.execute(_LEAVE, (owner,))

    async def acquire(self, owner: str) -> Lease | None:
        """Take the environment that needs an owner longest, if there is one.

        Raises:
            Unavailable: PostgreSQL is away.
        """
        values = {"owner": owner, "duration_s": self._duration_s}
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(_ACQUIRE, values)
                row = await cursor.fetchone()
        if row is None:
            return None
        environment_id, number, epoch = row
        return Lease(EnvironmentId(environment_id), number, owner, epoch)

    async def renew(self, lease: Lease) -> None:
        """Hold on to an environment.

        Raises:
            LeaseLost: It has another owner.
            Unavailable: PostgreSQL is away.
        """
        values = _names(lease) | {"duration_s": self._duration_s}
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(_RENEW, values)
        if cursor.rowcount != 1:
            raise LeaseLost(f"{lease.environment_id} has another owner")

    async def release(self, lease: Lease) -> None:
        """Let an environment go on elsewhere at once; nothing if it already does.

        Raises:
            Unavailable: PostgreSQL is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                await connection.execute(_RELEASE, _names(lease))


def _names(lease: Lease) -> dict[str, object]:
    return {"environment_id": lease.environment_id, "epoch": lease.epoch}
