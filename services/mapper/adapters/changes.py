"""Changes made by any replica, as PostgreSQL announces them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import psycopg
import structlog
from psycopg import AsyncConnection

from services.mapper.adapters.store import CHANNEL

_RETRY_EVERY_S = 1.0
_PROBE_EVERY_S = 5.0

_log = structlog.get_logger(__name__)


async def changed_environments(dsn: str) -> AsyncGenerator[str | None, None]:
    """Yield the id of each environment that changes, for ever.

    Yields:
        An environment_id, or None when any may have changed unnoticed: at the start
        and whenever the connection was lost in between.
    """
    while True:
        try:
            async with await AsyncConnection.connect(
                dsn, autocommit=True, connect_timeout=5
            ) as connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                yield None
                async with contextlib.aclosing(_announced(connection)) as announced:
                    async for environment_id in announced:
                        yield environment_id
        except psycopg.OperationalError as error:
            _log.warning("not hearing of changes, retrying", cause=str(error))
            await asyncio.sleep(_RETRY_EVERY_S)


async def _announced(connection: psycopg.AsyncConnection) -> AsyncGenerator[str, None]:
    """Yield announcements; a silent connection is probed, as it may be dead."""
    while True:
        async for notification in connection.notifies(timeout=_PROBE_EVERY_S):
            yield notification.payload
        await connection.execute("SELECT 1")
