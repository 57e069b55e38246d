"""`python -m tests.bench.identities`: measure what stored identities cost.

Associates one scene three times, with archives of different size, and searches among a
million vectors. Prints tables and writes `build/bench-identities.json`;
docs/benchmarks.md says what each number means. Everything that it starts ends with it.
"""

import argparse
import contextlib
import gc
import json
import secrets
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
import uvloop
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from services.common.errors import NotFound
from services.common.ids import EnvironmentId, GlobalId, TimelineId
from services.common.postgres import Pool, migrate, open_pool
from services.reid.adapters.index_kinds import IndexChoice
from services.reid.adapters.index_shard import ChangedPrototype, IndexShard
from services.reid.adapters.vector_index import FaissIndex
from services.reid.bootstrap import SCHEMA, VERSIONS
from services.reid.domain.values import Vector
from services.reid.service.portraits import PortraitKeeper, PortraitRecord
from stack.ports import free_ports
from stack.stores.postgres import Postgres
from stack.stores.process import StoreProcess
from tests.bench.crowd import DIMENSIONS, MODEL_ID, Crowd, store
from tests.bench.machine import Machine, this_machine
from tests.bench.returns import START_NS, Returns, opened, paced, ratio, visits
from tests.bench.statistics import percentile_ms

MOST_RATIO = 1.2
MOST_RECALL_LOST = 0.02
MOST_SEARCH_MS = 50.0
LEAST_SEARCH_RECALL = 0.95

_ROUNDS = 10
_HOUR_NS = 3_600_000_000_000
_STORED_LOOKS, _SEARCHED_LOOKS = 2, 5
_QUERIES, _RESULTS = 200, 10
_IDS_APART = 1_000_000_000


@dataclass(frozen=True, slots=True)
class AtSize:
    """How a scene went with an archive of one size.

    Attributes:
        identities: Persons in the archive.
        tick_p50_ms: Time of a tick until it is stored, median.
        tick_p99_ms: The same, 99th percentile.
        decision_p50_ms: Time of a tick until it is decided, median.
        decision_p99_ms: The same, 99th percentile.
        cpu_p50_ms: Processor time of the thread that ticks, until stored, median.
        cpu_p99_ms: The same, 99th percentile.
        tick_p50_ratio: `tick_p50_ms` divided by that of the smallest archive.
        tick_p99_ratio: The same of the 99th percentile.
        cpu_p50_ratio: The same of the processor time, median.
        cpu_p99_ratio: The same, 99th percentile.
        reentry_recall: Share of those who came back that got their id again.
        strangers_mistaken: Share of strangers who got an id of the archive.
    """

    identities: int
    tick_p50_ms: float
    tick_p99_ms: float
    decision_p50_ms: float
    decision_p99_ms: float
    cpu_p50_ms: float
    cpu_p99_ms: float
    tick_p50_ratio: float
    tick_p99_ratio: float
    cpu_p50_ratio: float
    cpu_p99_ratio: float
    reentry_recall: float
    strangers_mistaken: float


@dataclass(frozen=True, slots=True)
class Searched:
    """How searches in memory went.

    Attributes:
        vectors: Vectors among which was searched.
        persons: Persons whom they are of.
        kind: Kind of the index.
        built_s: Processor time of building it, one thread.
        p50_ms: Time of a search for ten persons, one thread, median.
        p95_ms: The same, 95th percentile.
        recall_at_10: Share of the ten nearest persons that was found.
        bytes_per_identity: Memory that the process took for it, by person.
    """

    vectors: int
    persons: int
    kind: str
    built_s: float
    p50_ms: float
    p95_ms: float
    recall_at_10: float
    bytes_per_identity: float


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that was measured."""

    machine: Machine
    association: list[AtSize]
    search: Searched
    stored_bytes_per_identity: float
    seconds: float

    def to_json(self) -> dict[str, object]:
        """Return the numbers that matter first, then everything."""
        largest, least = self.association[-1], self.association[0]
        return {
            "identities": {
                "tick_p50_ratio": largest.tick_p50_ratio,
                "tick_p99_ratio": largest.tick_p99_ratio,
                "tick_cpu_p50_ratio": largest.cpu_p50_ratio,
                "tick_cpu_p99_ratio": largest.cpu_p99_ratio,
                "reentry_recall": largest.reentry_recall,
                "reentry_recall_lost": least.reentry_recall - largest.reentry_recall,
                "search_p95_ms": self.search.p95_ms,
                "search_recall_at_10": self.search.recall_at_10,
                "memory_bytes_per_identity": self.search.bytes_per_identity,
                "stored_bytes_per_identity": self.stored_bytes_per_identity,
            },
            **asdict(self),
        }


class NoPictures:
    """An album that nobody fills: the scene offers no pictures."""

    async def put(self, name: str, content: bytes) -> None:
        """Refuse a file."""
        raise NotFound(name)

    async def get(self, name: str) -> bytes:
        """Refuse to read."""
        raise NotFound(name)

    async def delete(self, name: str) -> None:
        """Do nothing."""

    async def portrait(
        self, environment_id: EnvironmentId, global_id: GlobalId
    ) -> PortraitRecord | None:
        """Return no picture."""

    async def replace_portrait(
        self, environment_id: EnvironmentId, global_id: GlobalId, record: PortraitRecord
    ) -> bool:
        """Keep nothing."""
        return False


def main() -> int:
    """Measure and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.identities", description=__doc__
    )
    parser.add_argument(
        "--output", type=Path, default=Path("build/bench-identities.json")
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 10_000, 100_000])
    parser.add_argument("--ticks", type=int, default=1_000)
    parser.add_argument("--every-ms", type=float, default=20.0)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    options = parser.parse_args()
    console, begin_s = Console(highlight=False), time.monotonic()
    machine = this_machine()
    association, stored_bytes = uvloop.run(
        associate(options.sizes, options.ticks, options.every_ms / 1e3)
    )
    searched = search(options.vectors)
    seconds = time.monotonic() - begin_s
    results = Results(machine, association, searched, stored_bytes, seconds)
    print_tables(console, results)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results.to_json(), indent=2) + "\n")
    console.print(f"Written to {options.output} after {results.seconds:.0f} s.")
    return 0


async def associate(
    sizes: list[int], ticks: int, every_s: float
) -> tuple[list[AtSize], float]:
    """Associate with archives of some sizes, on a PostgreSQL of our own.

    Returns:
        How each size went, and what PostgreSQL stores for a person, bytes.
    """
    with tempfile.TemporaryDirectory(prefix="spoton-bench-") as folder:
        (port,) = free_ports(1)
        postgres = Postgres(Path(folder), port, secrets.token_hex(16), durable=False)
        process = StoreProcess(postgres)
        process.start()
        try:
            postgres.create_database("bench")
            dsn = postgres.dsn("bench")
            await migrate(dsn, SCHEMA, VERSIONS)
            async with contextlib.AsyncExitStack() as stack:
                # As the service does.
                stack.enter_context(threadpool_limits(1, user_api="blas"))
                pool = await stack.enter_async_context(open_pool(dsn, SCHEMA))
                timelines = await _fill(pool, sizes, stack)
                stored_bytes = await _stored_bytes(pool) / sum(sizes)
                return await _play(timelines, ticks, every_s), stored_bytes
        finally:
            process.stop()


async def _fill(
    pool: Pool, sizes: list[int], stack: contextlib.AsyncExitStack
) -> list[Returns]:
    """Store the archives, wait until they are in memory, and open the timelines."""
    crowd, timeline_id = Crowd(_STORED_LOOKS), TimelineId("live")
    for place, size in enumerate(sizes):
        where, first_id = EnvironmentId(f"bench-{place}"), (place + 1) * _IDS_APART
        seen_ns = START_NS - _HOUR_NS
        await store(pool, crowd, size, where, timeline_id, first_id, seen_ns)
    async with pool.connection() as connection:
        await connection.set_autocommit(True)
        await connection.execute("VACUUM ANALYZE")
        await connection.set_autocommit(False)
    index = await stack.enter_async_context(
        FaissIndex(pool, MODEL_ID, DIMENSIONS, IndexChoice(), patience_s=600.0)
    )
    probe = crowd.looks_of(0, 1, 0)[0]
    for place, size in enumerate(sizes):
        where = EnvironmentId(f"bench-{place}")
        while index.kind(where) is not IndexChoice().kind_for(size * _STORED_LOOKS):
            await index.nearest(where, probe, 1)
    portraits = await stack.enter_async_context(
        PortraitKeeper(NoPictures(), NoPictures())
    )
    return [
        await opened(
            pool,
            index,
            portraits,
            EnvironmentId(f"bench-{place}"),
            timeline_id,
            size,
            (place + 1) * _IDS_APART,
        )
        for place, size in enumerate(sizes)
    ]


async def _play(timelines: list[Returns], ticks: int, every_s: float) -> list[AtSize]:
    """Play the same scene in every timeline, by turns, every other time backwards."""
    smallest = timelines[0]
    everybody = visits(Crowd(_STORED_LOOKS), ticks, smallest.identities)
    each = ticks // _ROUNDS
    for number in range(_ROUNDS):
        turn = timelines if number % 2 == 0 else timelines[::-1]
        for timeline in turn:
            # What a collection costs belongs to whoever left the garbage.
            gc.collect()
            first = number * each
            await paced(timeline, everybody, first, first + each, every_s)
    for timeline in timelines:
        await timeline.writer.leave()
    return [
        AtSize(
            identities=one.identities,
            tick_p50_ms=percentile_ms(one.stored_s, 50),
            tick_p99_ms=percentile_ms(one.stored_s, 99),
            decision_p50_ms=percentile_ms(one.decided_s, 50),
            decision_p99_ms=percentile_ms(one.decided_s, 99),
            cpu_p50_ms=percentile_ms(one.cpu_s, 50),
            cpu_p99_ms=percentile_ms(one.cpu_s, 99),
            tick_p50_ratio=ratio(one.stored_s, smallest.stored_s, 50),
            tick_p99_ratio=ratio(one.stored_s, smallest.stored_s, 99),
            cpu_p50_ratio=ratio(one.cpu_s, smallest.cpu_s, 50),
            cpu_p99_ratio=ratio(one.cpu_s, smallest.cpu_s, 99),
            reentry_recall=one.recall(everybody),
            strangers_mistaken=one.mistaken(everybody),
        )
        for one in timelines
    ]


async def _stored_bytes(pool: Pool) -> float:
    """Return what PostgreSQL stores of persons, indexes included, bytes."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT sum(pg_total_relation_size(one::regclass)) FROM unnest("
            "ARRAY['identities', 'prototypes', 'camera_sightings']) AS one"
        )
        (found,) = await cursor.fetchone() or (0,)
    return float(found)


def search(vectors: int) -> Searched:
    """Search among many vectors in memory, as a replica does that has caught up."""
    crowd, persons = Crowd(_SEARCHED_LOOKS), vectors // _SEARCHED_LOOKS
    rng = np.random.default_rng(0)
    asked = [int(one) for one in rng.integers(0, persons, _QUERIES)]
    queries = np.stack([crowd.looks_of(one, 1, 0)[0] for one in asked])
    before = _memory_bytes()
    shard = IndexShard(DIMENSIONS, IndexChoice())
    exact = np.empty((_QUERIES, persons), np.float32)
    for first, looks in crowd.blocks(persons):
        shard.replace(_changes(first, looks))
        nearest = np.einsum("qd,pld->qpl", queries, looks, optimize=True).max(axis=2)
        exact[:, first : first + len(looks)] = nearest
    begin_s = time.thread_time()
    shard.build()
    built_s = time.thread_time() - begin_s
    truth = np.argpartition(-exact, _RESULTS, axis=1)[:, :_RESULTS]
    del exact, looks
    gc.collect()
    taken = _memory_bytes() - before
    seconds, hits = [], 0
    for query, wanted in zip(queries, truth, strict=True):
        begin_s = time.perf_counter()
        found = shard.nearest(query, _RESULTS)
        seconds.append(time.perf_counter() - begin_s)
        hits += len({person for person, _ in found} & set(wanted.tolist()))
    return Searched(
        vectors=persons * _SEARCHED_LOOKS,
        persons=persons,
        kind=shard.kind.value,
        built_s=built_s,
        p50_ms=percentile_ms(seconds, 50),
        p95_ms=percentile_ms(seconds, 95),
        recall_at_10=hits / _RESULTS / _QUERIES,
        bytes_per_identity=taken / persons,
    )


def _changes(first: int, looks: Vector) -> list[ChangedPrototype]:
    """Return what brings a block of people; ids of persons are their numbers."""
    each = looks.shape[1]
    flat = looks.reshape(-1, DIMENSIONS)
    return [
        ChangedPrototype(first * each + row, GlobalId(first + row // each), vector)
        for row, vector in enumerate(flat)
    ]


def _memory_bytes() -> int:
    """Return the resident memory of this process."""
    return int(psutil.Process().memory_info().rss)


_ROWS = (
    ("tick p50, ms", "tick_p50_ms"),
    ("tick p99, ms", "tick_p99_ms"),
    ("÷ smallest, p50", "tick_p50_ratio"),
    ("÷ smallest, p99", "tick_p99_ratio"),
    ("until decided p50, ms", "decision_p50_ms"),
    ("until decided p99, ms", "decision_p99_ms"),
    ("processor time p50, ms", "cpu_p50_ms"),
    ("processor time p99, ms", "cpu_p99_ms"),
    ("÷ smallest, p50", "cpu_p50_ratio"),
    ("÷ smallest, p99", "cpu_p99_ratio"),
    ("re-entry recall", "reentry_recall"),
    ("strangers mistaken", "strangers_mistaken"),
)


def print_tables(console: Console, results: Results) -> None:
    """Print everything that was measured."""
    console.print(results.machine.text())
    sizes = [f"{one.identities:,} stored" for one in results.association]
    table = Table("association", title="One tick", title_justify="left")
    for size in sizes:
        table.add_column(size, justify="right")
    for name, attribute in _ROWS:
        values = (getattr(one, attribute) for one in results.association)
        table.add_row(name, *(f"{value:.2f}" for value in values))
    console.print(table)
    table = Table("number", title="Goals", title_justify="left")
    for heading in ("measured", "goal", ""):
        table.add_column(heading, justify="right")
    for goal in _goals(results):
        verdict = "reached" if goal.is_reached else "[red]missed[/]"
        table.add_row(goal.name, f"{goal.value:.3f}", goal.text, verdict)
    console.print(table)
    found = results.search
    console.print(
        f"Search: {found.vectors:,} vectors of {found.persons:,} persons, "
        f"{found.kind}, built in {found.built_s:.0f} s of one thread, "
        f"p50 {found.p50_ms:.1f} ms; {found.bytes_per_identity:,.0f} bytes of memory "
        f"a person. PostgreSQL stores {results.stored_bytes_per_identity:,.0f} bytes "
        f"a person with {_STORED_LOOKS} looks."
    )


@dataclass(frozen=True, slots=True)
class Goal:
    """A number that has to be reached."""

    name: str
    value: float
    text: str
    is_reached: bool


def _goals(results: Results) -> list[Goal]:
    """Return what was to be shown, and whether it is."""
    largest, least = results.association[-1], results.association[0]
    lost = least.reentry_recall - largest.reentry_recall
    found = results.search
    most = (
        ("tick p50 ratio", largest.tick_p50_ratio, MOST_RATIO),
        ("tick p99 ratio", largest.tick_p99_ratio, MOST_RATIO),
        ("re-entry recall lost", lost, MOST_RECALL_LOST),
        ("search p95, ms", found.p95_ms, MOST_SEARCH_MS),
    )
    return [
        *(Goal(name, value, f"≤ {goal}", value <= goal) for name, value, goal in most),
        Goal(
            "search recall@10",
            found.recall_at_10,
            f"≥ {LEAST_SEARCH_RECALL}",
            found.recall_at_10 >= LEAST_SEARCH_RECALL,
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
