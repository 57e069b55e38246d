"""Put events into a real history, batch by batch, and read the tables."""

from collections.abc import Iterable, Sequence
from typing import Any

from services.analytics.adapters.history_store import PostgresHistory
from services.analytics.adapters.lease_store import PostgresLeaseStore
from services.analytics.adapters.partitions import Partitions
from services.analytics.convert import take_in
from services.analytics.domain.borders import Borders
from services.analytics.domain.folding import fold
from services.analytics.domain.history import Chapter, Place
from services.analytics.domain.intake import Intake
from services.analytics.domain.lease import Lease
from services.common.ids import EnvironmentId
from services.common.postgres import Pool
from spoton.common.v1 import events_pb2

GAP_US = 2_000_000
LEASE_S = 3600.0
"""Longer than any test: what is taken stays taken, also on a busy machine."""


async def new_lease(pool: Pool, environment_id: str) -> Lease:
    """Return the lease of an environment that is announced and taken at once.

    What others left without an owner is taken, too: it may come first.
    """
    leases = PostgresLeaseStore(pool, LEASE_S)
    await leases.announce([EnvironmentId(environment_id)])
    while True:
        lease = await leases.acquire("test")
        assert lease is not None
        if lease.environment_id == environment_id:
            return lease


class HistoryWriter:
    """Stores events of one environment, as the worker would."""

    def __init__(self, pool: Pool, lease: Lease, borders: Borders) -> None:
        self.history = PostgresHistory(pool, Partitions(pool), LEASE_S)
        self.lease = lease
        self.borders = borders
        self._pool = pool

    async def write(
        self, events: Sequence[events_pb2.EnvironmentEvent], batch: int | None = None
    ) -> None:
        """Store events in batches, loading what is carried before each."""
        size = batch or max(len(events), 1)
        for first in range(0, len(events), size):
            await self.write_batch(events[first : first + size])

    async def write_batch(self, events: Iterable[events_pb2.EnvironmentEvent]) -> None:
        """Store events in one transaction."""
        place, memory, views = await self.history.load(self.lease)
        entries = [
            (place.sequence + index, event.SerializeToString())
            for index, event in enumerate(events, 1)
        ]
        intake = Intake(memory, views, GAP_US)
        taken = take_in(intake, entries)
        increment = fold(intake.columns(), memory, self.borders, GAP_US)
        after = Place(entries[-1][0], taken.newest_us)
        await self.history.store(self.lease, Chapter(place, after, None, increment))

    async def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(query.encode(), values or None)
            return await cursor.fetchall()
