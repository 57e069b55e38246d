"""Two ways to store the same events, timed; and what each step of ours takes."""

import asyncio
import time
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psutil
import psycopg
from redis.asyncio import Redis

from services.analytics.adapters.borders import BorderTable, ZoneDefinition
from services.analytics.adapters.history_store import PostgresHistory
from services.analytics.adapters.lease_store import PostgresLeaseStore
from services.analytics.adapters.partitions import Partitions
from services.analytics.adapters.position_copy import copy_blocks
from services.analytics.adapters.schema import SCHEMA
from services.analytics.convert import take_in
from services.analytics.domain.borders import Borders
from services.analytics.domain.folding import fold
from services.analytics.domain.intake import Intake
from services.analytics.domain.memory import Memory
from services.analytics.ingest import Ingest, Manners
from services.common.event_log import EventLog, LogKeys
from services.common.ids import EnvironmentId
from services.common.postgres import Pool
from services.common.tasks import end_tasks
from spoton.common.v1 import events_pb2
from tests.bench.meters import cpu_s

BATCH = Manners().batch_events
_GAP_US = Manners().presence_gap_us
_ROUND_S = 300.0
_PIPELINED = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZONES = tuple(
    ZoneDefinition(
        f"zone-{x}-{y}",
        "",
        "ground",
        ((x, y), (x + 10, y), (x + 10, y + 10), (x, y + 10)),
    )
    for x in (0, 10)
    for y in (0, 10)
)
_COPY = """
    COPY positions (
        capture_time, stay_id, frame_set, view_id,
        x_m, y_m, sigma_m, velocity_x_mps, velocity_y_mps
    ) FROM STDIN (FORMAT binary)
"""
_TYPES = ("timestamptz", "int8", "int8", "int4", *("float4",) * 5)
_SIZES = """
    SELECT
        coalesce(sum(pg_total_relation_size(oid))
            FILTER (WHERE relname LIKE 'positions%'), 0)::bigint,
        coalesce(sum(pg_total_relation_size(oid))
            FILTER (WHERE relname NOT LIKE 'positions%'), 0)::bigint
    FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
"""


@dataclass(frozen=True, slots=True)
class Round:
    """One way to store the events, timed.

    Attributes:
        wall_s: Duration.
        own_cpu_s: Processor time of this process.
        postgres_cpu_s: Processor time of PostgreSQL.
        valkey_cpu_s: Processor time of Valkey.
    """

    wall_s: float
    own_cpu_s: float
    postgres_cpu_s: float
    valkey_cpu_s: float

    @property
    def cpu_s(self) -> float:
        """Processor time of all."""
        return self.own_cpu_s + self.postgres_cpu_s + self.valkey_cpu_s


class Arms:
    """Both ways, on the same stores."""

    def __init__(
        self,
        pool: Pool,
        redis: Redis,
        dsn: str,
        pids: dict[str, int],
        payloads: Sequence[bytes],
    ) -> None:
        """Keep the collaborators.

        Args:
            pool: Connections for our way.
            redis: Where the log is.
            dsn: Where the other way connects.
            pids: Processes of "postgres" and "valkey".
            payloads: The events.
        """
        self._pool = pool
        self._redis = redis
        self._dsn = dsn
        self._pids = pids
        self._payloads = payloads

    async def publish(self, environment_id: EnvironmentId) -> None:
        """Put the events into the log of an environment, in the log's form."""
        keys = LogKeys(environment_id)
        for first in range(0, len(self._payloads), _PIPELINED):
            chunk = self._payloads[first : first + _PIPELINED]
            async with self._redis.pipeline(transaction=False) as pipeline:
                for sequence, payload in enumerate(chunk, first + 1):
                    fields = {"at": "0", "event": payload}
                    pipeline.xadd(keys.events, fields, id=f"{sequence}-0")
                pipeline.hset(keys.log, "sequence", str(first + len(chunk)))
                await pipeline.execute()

    async def store(self, environment_id: EnvironmentId) -> None:
        """Store the events of a log as the service does."""
        leases = PostgresLeaseStore(self._pool, 60.0)
        await leases.announce([environment_id])
        lease = await leases.acquire("bench")
        assert lease is not None
        table = BorderTable(self._pool)

        async def borders(environment_id: EnvironmentId) -> Borders:
            return await table.replace(environment_id, _ZONES, [])

        history = PostgresHistory(self._pool, Partitions(self._pool), 60.0)
        log = EventLog(self._redis)
        task = asyncio.create_task(Ingest(lease, log, history, leases, borders).run())
        try:
            async with asyncio.timeout(_ROUND_S):
                while await self._stored(environment_id) < len(self._payloads):
                    await asyncio.sleep(0.05)
        finally:
            await end_tasks(task)

    async def forget(self, environment_id: EnvironmentId) -> None:
        """Remove a log."""
        await self._redis.delete(*LogKeys(environment_id).append_keys)

    def copy(self) -> None:
        """Decode the same events, and COPY the same rows by `write_row`."""
        search_path = f"-c search_path={SCHEMA}"
        with psycopg.connect(self._dsn, options=search_path) as connection:
            for first in range(0, len(self._payloads), BATCH):
                with connection.cursor().copy(_COPY) as copy:
                    copy.set_types(_TYPES)
                    for payload in self._payloads[first : first + BATCH]:
                        for row in _rows(payload):
                            copy.write_row(row)
                connection.commit()

    async def timed(self, work: Awaitable[None]) -> Round:
        """Return what it takes until something is done."""
        process = psutil.Process()
        own, stores = process.cpu_times(), cpu_s(self._pids)
        begun_s = time.perf_counter()
        await work
        wall_s = time.perf_counter() - begun_s
        own_after, stores_after = process.cpu_times(), cpu_s(self._pids)
        return Round(
            wall_s=wall_s,
            own_cpu_s=own_after.user + own_after.system - own.user - own.system,
            postgres_cpu_s=stores_after["postgres"] - stores["postgres"],
            valkey_cpu_s=stores_after["valkey"] - stores["valkey"],
        )

    async def wal_bytes(self) -> int:
        """Return how much PostgreSQL has written to its log."""
        return int((await self._row("SELECT pg_current_wal_lsn() - '0/0'"))[0])

    async def sizes(self) -> tuple[int, int]:
        """Return the bytes of positions, and of all other tables, with indexes."""
        positions, others = await self._row(_SIZES)
        return int(positions), int(others)

    def steps_s(self) -> dict[str, float]:
        """Return the processor time of each step of ours, by itself."""
        spent = dict.fromkeys(("read and take in", "fold", "encode for COPY"), 0.0)
        memory, views = Memory(), dict[tuple[str, ...], int]()
        for first in range(0, len(self._payloads), BATCH):
            chunk = list(enumerate(self._payloads[first : first + BATCH], first + 1))
            begun_s = time.process_time()
            intake = Intake(memory, views, _GAP_US)
            take_in(intake, chunk)
            columns = intake.columns()
            taken_s = time.process_time()
            increment = fold(columns, memory, Borders(), _GAP_US)
            folded_s = time.process_time()
            for _ in copy_blocks(increment.positions, 0):
                pass
            spent["read and take in"] += taken_s - begun_s
            spent["fold"] += folded_s - taken_s
            spent["encode for COPY"] += time.process_time() - folded_s
        return spent

    async def _stored(self, environment_id: EnvironmentId) -> int:
        query = "SELECT sequence FROM environments WHERE environment_id = %s"
        return int((await self._row(query, environment_id))[0])

    async def _row(self, query: str, *values: object) -> tuple[object, ...]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(query.encode(), values or None)
            row = await cursor.fetchone()
        assert row is not None
        return row


def _rows(payload: bytes) -> Iterator[tuple[object, ...]]:
    """Decode an event into the rows that we store of it."""
    update = events_pb2.EnvironmentEvent.FromString(payload).tracking
    at = update.capture_time
    time_us = timedelta(seconds=at.seconds, microseconds=at.nanos // 1000)
    capture_time, frame_set = _EPOCH + time_us, update.frame_set
    for person in update.persons:
        point = person.position.point
        yield (
            capture_time,
            person.global_id,
            frame_set,
            1,
            point.x_m,
            point.y_m,
            person.position.covariance.xx_m2,
            person.velocity_x_mps,
            person.velocity_y_mps,
        )
