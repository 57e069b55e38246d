"""History in PostgreSQL: what a batch adds is one transaction, or nothing.

The transaction checks the owner's epoch and the place in the log, and moves both on,
so every event is stored once, whoever is killed or wakes up late.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import date

import numpy as np
import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.analytics.adapters.gaps import close_gaps, write_gap
from services.analytics.adapters.hiding import Hiding
from services.analytics.adapters.lineage import Lineage
from services.analytics.adapters.partitions import Partitions
from services.analytics.adapters.position_copy import COPY_POSITIONS, copy_blocks
from services.analytics.adapters.small_rows import (
    write_minutes,
    write_persons,
    write_sessions,
)
from services.analytics.adapters.stay_rows import write_stays, write_sums
from services.analytics.adapters.times import to_time, to_us
from services.analytics.domain.history import Chapter, Place
from services.analytics.domain.increment import Increment
from services.analytics.domain.intake import Views
from services.analytics.domain.lease import Lease, LeaseLost
from services.analytics.domain.memory import Memory
from services.common.errors import InvalidInput
from services.common.postgres import Pool, translated_errors

_US_PER_DAY = 86_400_000_000
_STAY_BITS = 36
"""Low bits of a stay's id, its number within the environment."""

_LOAD = """
    SELECT sequence, event_time, memory FROM environments
    WHERE environment_id = %s AND epoch = %s
"""
_VIEWS = "SELECT camera_ids, view_id FROM views WHERE environment_id = %s"
_NEVER_STUCK = "SELECT set_config('idle_in_transaction_session_timeout', %s, true)"
_ADVANCE = """
    UPDATE environments SET
        sequence = %(after)s,
        event_time = %(event_time)s,
        memory = coalesce(%(memory)s, memory),
        lease_expires_at = clock_timestamp() + make_interval(secs => %(duration_s)s)
    WHERE environment_id = %(environment_id)s AND epoch = %(epoch)s
      AND sequence = %(before)s
"""


class PostgresHistory:
    """Stores the history of environments."""

    def __init__(self, pool: Pool, partitions: Partitions, lease_s: float) -> None:
        """Keep the collaborators.

        Args:
            pool: Connections.
            partitions: Makes room for positions.
            lease_s: For how long a stored batch renews the lease, seconds.
        """
        self._pool = pool
        self._partitions = partitions
        self._lease_s = lease_s

    async def load(self, lease: Lease) -> tuple[Place, Memory, Views]:
        """Return up to where an environment is stored, and what is needed to go on.

        Raises:
            LeaseLost: It has another owner.
            Unavailable: PostgreSQL is away.
        """
        key = (lease.environment_id, lease.epoch)
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(_LOAD, key)
                row = await cursor.fetchone()
                if row is None:
                    raise LeaseLost(f"{lease.environment_id} has another owner")
                cursor = await connection.execute(_VIEWS, (lease.environment_id,))
                views = {tuple(ids): view for ids, view in await cursor.fetchall()}
        sequence, event_time, memory = row
        place = Place(sequence, None if event_time is None else to_us(event_time))
        return place, Memory.from_bytes(memory), views

    async def store(self, lease: Lease, chapter: Chapter) -> None:
        """Store what follows in the log.

        Raises:
            LeaseLost: The environment has another owner, or is stored elsewhere.
            InvalidInput: The database refuses a value.
            Unavailable: PostgreSQL is away; the chapter may have been stored.
        """
        increment = chapter.increment
        if increment is not None:
            await self._partitions.ensure(_days(increment))
        with _refusals(), translated_errors():
            async with self._transaction() as connection:
                # First, as it locks nothing that a successor needs: a COPY waits for
                # its client for ever, should that be stopped here.
                if increment is not None:
                    base = lease.number << _STAY_BITS
                    await _copy_positions(connection, increment, base)
                await self._advance(connection, lease, chapter)
                if chapter.gap is not None:
                    await write_gap(connection, lease.environment_id, chapter.gap)
                if increment is not None:
                    # Not in a pipeline: an owner stopped in the middle of one holds
                    # its rows, and no timeout of PostgreSQL 15 and 16 ends that.
                    await _write(connection, lease, increment, base)

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """Open a transaction that ends by itself if this process is stopped."""
        timeout = f"{round(self._lease_s * 1000)}ms"
        async with self._pool.connection() as connection:
            await connection.execute(_NEVER_STUCK, (timeout,))
            yield connection

    async def _advance(
        self, connection: AsyncConnection[TupleRow], lease: Lease, chapter: Chapter
    ) -> None:
        event_us = chapter.after.event_us
        increment = chapter.increment
        cursor = await connection.execute(
            _ADVANCE,
            {
                "environment_id": lease.environment_id,
                "epoch": lease.epoch,
                "before": chapter.before.sequence,
                "after": chapter.after.sequence,
                "event_time": None if event_us is None else to_time(event_us),
                "memory": None if increment is None else increment.memory,
                "duration_s": self._lease_s,
            },
        )
        if cursor.rowcount != 1:
            raise LeaseLost(
                f"{lease.environment_id} passed from epoch {lease.epoch} at "
                f"{chapter.before.sequence} to another owner"
            )


async def _write(
    connection: AsyncConnection[TupleRow], lease: Lease, increment: Increment, base: int
) -> None:
    environment_id, columns = lease.environment_id, increment.columns
    await close_gaps(connection, environment_id, columns)
    await write_sessions(connection, environment_id, columns)
    await write_persons(connection, environment_id, increment)
    await write_stays(connection, environment_id, increment, base)
    await write_minutes(connection, environment_id, columns)
    await write_sums(connection, environment_id, increment)
    lineage = Lineage(connection, environment_id)
    for change in columns.changes:
        await lineage.apply(change)
    await Hiding(connection, environment_id).update(
        [base + number for number in increment.stays], lineage.affected, columns
    )


async def _copy_positions(
    connection: AsyncConnection[TupleRow], increment: Increment, base: int
) -> None:
    async with connection.cursor().copy(COPY_POSITIONS) as copy:
        for block in copy_blocks(increment.positions, base):
            await copy.write(block)


def _days(increment: Increment) -> set[date]:
    numbers = np.unique(increment.positions.time_us // _US_PER_DAY)
    return {to_time(int(number) * _US_PER_DAY).date() for number in numbers}


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Raise InvalidInput where the database refuses a value."""
    try:
        yield
    except (psycopg.DataError, psycopg.IntegrityError, OverflowError) as error:
        raise InvalidInput(f"cannot be stored: {error}") from error
