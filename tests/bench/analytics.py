"""`python -m tests.bench.analytics`: measure every analytic over a long history.

Fills a PostgreSQL of its own, asks each analytic over ranges of different length by
gRPC, prints median and 95th percentile, and writes `build/bench-analytics.json`.
"""

import argparse
import asyncio
import json
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table

from services.analytics.adapters.borders import (
    BorderTable,
    TripwireDefinition,
    ZoneDefinition,
)
from services.analytics.adapters.history_store import PostgresHistory
from services.analytics.adapters.lease_store import PostgresLeaseStore
from services.analytics.adapters.partitions import Partitions
from services.analytics.adapters.schema import SCHEMA, VERSIONS
from services.analytics.bootstrap import open_figures
from services.analytics.domain.borders import Borders
from services.analytics.domain.folding import fold
from services.analytics.domain.history import Chapter, Place
from services.analytics.domain.lease import Lease
from services.analytics.domain.memory import TimelineMemory
from services.common.grpc_client import open_channel
from services.common.grpc_server import running_server
from services.common.ids import EnvironmentId
from services.common.postgres import Pool, migrate, open_pool
from spoton.analytics.v1 import (
    analytics_pb2_grpc,
    movement_pb2,
    operation_pb2,
    presence_pb2,
)
from stack.ports import free_ports
from stack.stores.postgres import Postgres
from stack.stores.process import StoreProcess
from tests.bench.machine import Machine, this_machine
from tests.bench.statistics import percentile_ms
from tests.bench.walkers import START_US, TIMELINE, Batches, Walkers, walkers

ENVIRONMENT = EnvironmentId("shop")
GAP_US = 2_000_000
GAP_S = 2.0
MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
ZONES = {
    "entrance": ((0.0, 0.0), (8.0, 0.0), (8.0, 20.0), (0.0, 20.0)),
    "shop": ((10.0, 0.0), (28.0, 0.0), (28.0, 14.0), (10.0, 14.0)),
    "queue": ((24.0, 2.0), (28.0, 2.0), (28.0, 8.0), (24.0, 8.0)),
    "cafe": ((30.0, 0.0), (40.0, 0.0), (40.0, 16.0), (30.0, 16.0)),
}
WIRE = TripwireDefinition("aisle", "aisle", "ground", (9.0, -1.0), (9.0, 21.0))

Stub = Any
Ask = Callable[[Stub, dict[str, Any]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one analytic takes over ranges of one length.

    Attributes:
        analytic: Name of the RPC.
        range: Length of the ranges.
        p50_ms: Median.
        p95_ms: 95th percentile.
        calls: How often it was asked, each time for another range.
    """

    analytic: str
    range: str
    p50_ms: float
    p95_ms: float
    calls: int


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that was measured.

    Attributes:
        machine: Where.
        rows: Rows by table.
        hours: Length of the history.
        filled_s: Time that filling took, from arrays in memory to the last commit.
        timings: Each analytic over each length.
    """

    machine: Machine
    rows: dict[str, int]
    hours: float
    filled_s: float
    timings: list[Timing]


def main() -> int:
    """Measure and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.analytics", description=__doc__
    )
    parser.add_argument(
        "--output", type=Path, default=Path("build/bench-analytics.json")
    )
    parser.add_argument("--positions", type=int, default=10_000_000)
    parser.add_argument("--present", type=float, default=8.0)
    parser.add_argument("--calls", type=int, default=20)
    options = parser.parse_args()
    console = Console(highlight=False)
    people = walkers(options.positions, options.present)
    with tempfile.TemporaryDirectory(prefix="spoton-bench-") as folder:
        (port,) = free_ports(1)
        store = Postgres(Path(folder), port, secrets.token_hex(16), durable=False)
        process = StoreProcess(store)
        process.start()
        try:
            store.create_database("bench")
            results = asyncio.run(
                _measure(store.dsn("bench"), people, options.calls, console)
            )
        finally:
            process.stop()
    _print(console, results)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(asdict(results), indent=2) + "\n")
    console.print(f"Written to {options.output}.")
    return 0


async def _measure(dsn: str, people: Walkers, calls: int, console: Console) -> Results:
    await migrate(dsn, SCHEMA, VERSIONS)
    async with open_pool(dsn, SCHEMA) as pool:
        begun_s = time.monotonic()
        await _fill(pool, people)
        filled_s = time.monotonic() - begun_s
        rows = await _rows(pool)
    console.print(f"{rows['positions']:,} positions after {filled_s:.0f} s.")
    async with (
        open_figures(dsn, GAP_S) as register,
        running_server(register) as address,
        open_channel(address) as channel,
    ):
        stub = analytics_pb2_grpc.AnalyticsServiceStub(channel)
        timings = [
            timing
            for name, length_us in _lengths(people).items()
            for timing in await _timings(stub, people, name, length_us, calls)
        ]
    hours = (people.end_us - START_US) / HOUR_US
    return Results(this_machine(), rows, hours, filled_s, timings)


async def _fill(pool: Pool, people: Walkers) -> None:
    """Store everything as a worker does, batch by batch."""
    leases = PostgresLeaseStore(pool, 3600.0)
    await leases.announce([ENVIRONMENT])
    lease = await leases.acquire("bench")
    if lease is None:
        raise RuntimeError("The environment is taken.")
    borders = await BorderTable(pool).replace(
        ENVIRONMENT,
        [ZoneDefinition(name, name, "ground", one) for name, one in ZONES.items()],
        [WIRE],
    )
    await _store(
        PostgresHistory(pool, Partitions(pool), 3600.0), lease, borders, people
    )
    async with pool.connection() as connection:
        await connection.set_autocommit(True)
        await connection.execute("VACUUM ANALYZE")
        await connection.set_autocommit(False)


async def _store(
    history: PostgresHistory, lease: Lease, borders: Borders, people: Walkers
) -> None:
    place, memory, _ = await history.load(lease)
    for columns in Batches(people):
        memory.timelines[TIMELINE] = TimelineMemory(1, int(columns.time_us[-1]))
        increment = await asyncio.to_thread(fold, columns, memory, borders, GAP_US)
        after = Place(place.sequence + len(columns.time_us), int(columns.time_us[-1]))
        await history.store(lease, Chapter(place, after, None, increment))
        place = after


async def _rows(pool: Pool) -> dict[str, int]:
    tables = ("positions", "stays", "visits", "persons", "cell_hours", "speed_hours")
    rows = {}
    async with pool.connection() as connection:
        for table in tables:
            cursor = await connection.execute(f"SELECT count(*) FROM {table}".encode())  # noqa: S608
            (rows[table],) = await cursor.fetchone() or (0,)
    return rows


def _lengths(people: Walkers) -> dict[str, int]:
    """Return the lengths of the ranges that are asked for."""
    everything_us = people.end_us - START_US
    lengths = {"1 hour": HOUR_US, "1 day": 24 * HOUR_US}
    shorter = {name: one for name, one in lengths.items() if one < everything_us}
    return shorter | {"everything": everything_us}


async def _timings(
    stub: Stub, people: Walkers, name: str, length_us: int, calls: int
) -> list[Timing]:
    """Ask every analytic in turn, each time over another range."""
    rng = random.Random(7)
    spent_s: dict[str, list[float]] = {analytic: [] for analytic in _ASKS}
    for _ in range(calls + 1):
        latest_us = people.end_us - length_us
        start_us = rng.randint(START_US, max(START_US, latest_us))
        asked = _asked(start_us, start_us + length_us)
        for analytic, ask in _ASKS.items():
            begun_s = time.perf_counter()
            await ask(stub, asked)
            spent_s[analytic].append(time.perf_counter() - begun_s)
    return [
        Timing(
            analytic,
            name,
            percentile_ms(spent[1:], 50),
            percentile_ms(spent[1:], 95),
            calls,
        )
        for analytic, spent in spent_s.items()
    ]


def _asked(start_us: int, end_us: int) -> dict[str, Any]:
    times = {}
    for name, time_us in (("start_time", start_us), ("end_time", end_us)):
        times[name] = Timestamp()
        times[name].FromMicroseconds(time_us)
    return {"environment_id": ENVIRONMENT, **times}


def _minutes(asked: dict[str, Any]) -> dict[str, Any]:
    """Return a range of whole minutes, in about a hundred steps."""
    start_us, end_us = (
        asked[name].ToMicroseconds() // MINUTE_US * MINUTE_US
        for name in ("start_time", "end_time")
    )
    step_us = max((end_us - start_us) // 100 // MINUTE_US, 1) * MINUTE_US
    return _asked(start_us, end_us) | {"step": _step(step_us)}


def _step(step_us: int) -> Duration:
    step = Duration()
    step.FromMicroseconds(step_us)
    return step


def _series_step(asked: dict[str, Any]) -> Duration:
    start_us, end_us = (
        asked[name].ToMicroseconds() for name in ("start_time", "end_time")
    )
    return _step((end_us - start_us) // 100)


async def _drained(stream: Any) -> None:
    async for _ in stream:
        pass


_ASKS: dict[str, Ask] = {
    "GetOccupancy": lambda stub, _: stub.GetOccupancy(
        presence_pb2.GetOccupancyRequest(environment_id=ENVIRONMENT)
    ),
    "GetOccupancySeries": lambda stub, asked: stub.GetOccupancySeries(
        presence_pb2.GetOccupancySeriesRequest(**asked, step=_series_step(asked))
    ),
    "GetUniquePersons": lambda stub, asked: stub.GetUniquePersons(
        presence_pb2.GetUniquePersonsRequest(**asked)
    ),
    "GetCrossings": lambda stub, asked: stub.GetCrossings(
        presence_pb2.GetCrossingsRequest(**asked)
    ),
    "GetDwell": lambda stub, asked: stub.GetDwell(
        presence_pb2.GetDwellRequest(**asked)
    ),
    "GetFlow": lambda stub, asked: stub.GetFlow(movement_pb2.GetFlowRequest(**asked)),
    "StreamVisits": lambda stub, asked: _drained(
        stub.StreamVisits(presence_pb2.StreamVisitsRequest(**asked))
    ),
    "GetHeatmap": lambda stub, asked: stub.GetHeatmap(
        movement_pb2.GetHeatmapRequest(**asked)
    ),
    "GetSpeed": lambda stub, asked: stub.GetSpeed(
        movement_pb2.GetSpeedRequest(**asked)
    ),
    "GetFrequentAreas": lambda stub, asked: stub.GetFrequentAreas(
        movement_pb2.GetFrequentAreasRequest(**asked)
    ),
    "StreamJourney": lambda stub, asked: _drained(
        stub.StreamJourney(
            movement_pb2.StreamJourneyRequest(
                environment_id=ENVIRONMENT,
                global_id=asked["start_time"].seconds % 100 + 1,
            )
        )
    ),
    "GetCameraActivity": lambda stub, asked: stub.GetCameraActivity(
        operation_pb2.GetCameraActivityRequest(**_minutes(asked))
    ),
    "GetPipelineActivity": lambda stub, asked: stub.GetPipelineActivity(
        operation_pb2.GetPipelineActivityRequest(**_minutes(asked))
    ),
}


def _print(console: Console, results: Results) -> None:
    console.print(results.machine.text())
    counts = ", ".join(f"{count:,} {table}" for table, count in results.rows.items())
    console.print(f"{results.hours:.1f} hours of history: {counts}.")
    lengths = list(dict.fromkeys(one.range for one in results.timings))
    table = Table(title="Median / p95 of a call, ms", title_justify="left")
    table.add_column("analytic")
    for length in lengths:
        table.add_column(length, justify="right")
    for analytic in _ASKS:
        cells = [
            f"{one.p50_ms:.0f} / {one.p95_ms:.0f}"
            for one in results.timings
            if one.analytic == analytic
        ]
        table.add_row(analytic, *cells)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
