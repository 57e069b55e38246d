"""The history as it was at one moment."""

import contextlib
from collections.abc import AsyncIterator

from psycopg import IsolationLevel

from services.analytics.adapters.reading.directory import Directory
from services.analytics.adapters.reading.floor import Floor
from services.analytics.adapters.reading.minutes import MinuteCounts
from services.analytics.adapters.reading.people import People
from services.common.postgres import Pool, translated_errors


class Reading(Directory, People, Floor, MinuteCounts):
    """Reads the tables of the history, within one transaction."""


class PostgresArchive:
    """Opens the history for reading."""

    def __init__(self, pool: Pool, presence_gap_us: int) -> None:
        self._pool = pool
        self._gap_us = presence_gap_us

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[Reading]:
        """Show what is stored at this moment, whatever is written meanwhile.

        Raises:
            Unavailable: PostgreSQL is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
                await connection.set_read_only(True)
                try:
                    async with connection.transaction():
                        yield Reading(connection, self._gap_us)
                finally:
                    await connection.set_isolation_level(None)
                    await connection.set_read_only(None)
