"""Partitions of the table of positions, one a UTC day."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed, Identifier, Literal

from services.common.postgres import Pool, translated_errors

_LOCK = 0x5390_7002
"""Advisory lock of the one transaction that makes or drops partitions."""
_IS_PARTITIONED = (
    "SELECT relkind::text = 'p' FROM pg_class WHERE oid = 'positions'::regclass"
)
_ATTACHED = """
    SELECT child.relname FROM pg_inherits
    JOIN pg_class child ON child.oid = inhrelid
    WHERE inhparent = 'positions'::regclass
"""
_DROP_CHUNKS = "SELECT drop_chunks('positions', older_than => %s)"
_PREFIX = "positions_"


class Partitions:
    """Makes partitions before rows need them, and drops old ones.

    Where positions are a hypertable, TimescaleDB makes its own.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: set[date] = set()

    async def ensure(self, days: Iterable[date]) -> None:
        """Make the partitions of days, in a transaction of its own.

        The table is not locked meanwhile: a partition is made apart, then attached.

        Raises:
            Unavailable: PostgreSQL is away.
        """
        missing = sorted(set(days) - self._known)
        if not missing:
            return
        with translated_errors():
            async with self._pool.connection() as connection:
                if await _is_partitioned(connection):
                    attached = await _lock_and_list(connection)
                    for day in missing:
                        if _name(day) not in attached:
                            await _attach(connection, day)
        self._known.update(missing)

    async def drop_before(self, day: date) -> int:
        """Drop all positions before a day, and return how many partitions went.

        Raises:
            Unavailable: PostgreSQL is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                if not await _is_partitioned(connection):
                    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
                    cursor = await connection.execute(_DROP_CHUNKS, (midnight,))
                    return cursor.rowcount
                attached = await _lock_and_list(connection)
                old = sorted(name for name in attached if name < _name(day))
                for name in old:
                    await connection.execute(
                        SQL("DROP TABLE {}").format(Identifier(name))
                    )
        self._known = {known for known in self._known if known >= day}
        return len(old)


async def _is_partitioned(connection: AsyncConnection[TupleRow]) -> bool:
    cursor = await connection.execute(_IS_PARTITIONED)
    return await cursor.fetchone() == (True,)


async def _lock_and_list(connection: AsyncConnection[TupleRow]) -> set[str]:
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    cursor = await connection.execute(_ATTACHED)
    return {row[0] for row in await cursor.fetchall()}


async def _attach(connection: AsyncConnection[TupleRow], day: date) -> None:
    for statement in partition_statements(day):
        await connection.execute(statement)


def partition_statements(day: date) -> list[Composed]:
    """Return the statements that make the partition of a day."""
    name = Identifier(_name(day))
    begin, end = f"{day.isoformat()} 00:00Z", f"{day + timedelta(days=1)} 00:00Z"
    return [
        SQL("CREATE TABLE IF NOT EXISTS {} (LIKE positions INCLUDING ALL)").format(
            name
        ),
        SQL(
            "ALTER TABLE positions ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})"
        ).format(name, Literal(begin), Literal(end)),
    ]


def _name(day: date) -> str:
    return _PREFIX + day.isoformat().replace("-", "_")
