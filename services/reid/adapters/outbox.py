"""Relay identity events from the outbox to the environments' event streams."""

import asyncio

import structlog

from services.common.errors import Unavailable
from services.common.event_log import EventLog
from services.common.ids import EnvironmentId
from services.common.postgres import Pool, translated_errors
from services.reid.observe import EVENTS_RELAYED
from spoton.common.v1 import events_pb2

_BATCH = 200
_LOCK = 0x5390_7001
"""Advisory lock of the one replica that relays at a time."""

_NEXT = """
    SELECT number, environment_id, timeline_id, event FROM outbox
    ORDER BY number LIMIT %s
"""

_log = structlog.get_logger(__name__)


class OutboxRelay:
    """Appends what ticks left in the outbox, in order, each once.

    The events of a timeline are numbered in the order of its ticks, and the log takes
    a number once; so a relay that dies between append and delete repeats nothing.
    """

    def __init__(self, pool: Pool, log: EventLog, *, every_s: float = 0.1) -> None:
        self._pool = pool
        self._log = log
        self._every_s = every_s

    async def run(self) -> None:
        """Relay for ever."""
        while True:
            try:
                relayed = await self.relay()
            except Unavailable as error:
                _log.warning("events wait in the outbox", cause=str(error))
                relayed = 0
            if relayed < _BATCH:
                await asyncio.sleep(self._every_s)

    async def relay(self) -> int:
        """Relay one batch and return its size.

        Raises:
            Unavailable: The database or the event stream is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(
                    "SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,)
                )
                if await cursor.fetchone() != (True,):
                    return 0
                cursor = await connection.execute(_NEXT, (_BATCH,))
                rows = await cursor.fetchall()
                for number, environment_id, timeline_id, event in rows:
                    await self._log.append(
                        EnvironmentId(environment_id),
                        events_pb2.EnvironmentEvent.FromString(event),
                        producer=f"reid/{timeline_id}",
                        producer_sequence=number,
                    )
                numbers = [row[0] for row in rows]
                await connection.execute(
                    "DELETE FROM outbox WHERE number = ANY(%s)", (numbers,)
                )
        EVENTS_RELAYED.inc(len(rows))
        return len(rows)
