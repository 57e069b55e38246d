"""`python -m tests.bench.history`: measure how fast history is stored.

Prints a table and writes `build/bench-history.json`; docs/benchmarks.md says what each
number means. Everything that it starts ends with it.
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from services.analytics.adapters.schema import SCHEMA, VERSIONS
from services.common.ids import EnvironmentId
from services.common.postgres import migrate, open_pool
from services.common.redis_client import open_redis
from stack.ports import free_ports
from stack.stores.postgres import Postgres
from stack.stores.process import StoreProcess, running_store
from stack.stores.valkey import Valkey
from tests.bench.history_arms import Arms, Round
from tests.bench.history_scene import HistoryScene
from tests.bench.machine import Machine, this_machine
from tests.bench.statistics import Spread, spread

LEAST_POSITIONS_PER_S = 60_000
LEAST_COPY_RATIO = 0.5


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that was measured.

    Attributes:
        machine: Where.
        scene: What was stored.
        positions_per_s: From encoded events in Valkey to committed rows.
        copied_per_s: Decoding and `write_row` alone.
        copy_ratio: The first divided by the second, within a pair.
        cpu_ratio: Processor time of the second divided by that of the first.
        bytes_per_position: Of `positions` with its index.
        other_bytes_per_position: Of all other tables with their indexes.
        wal_bytes_per_position: What PostgreSQL writes to its log.
        spent_us: Processor time per position, microseconds, by who spends it.
    """

    machine: Machine
    scene: HistoryScene
    positions_per_s: Spread
    copied_per_s: Spread
    copy_ratio: Spread
    cpu_ratio: Spread
    bytes_per_position: float
    other_bytes_per_position: float
    wal_bytes_per_position: float
    spent_us: dict[str, float]

    def to_json(self) -> dict[str, object]:
        """Return the numbers that matter first, then everything."""
        return {
            "history": {
                "positions_per_s": self.positions_per_s.median,
                "copy_ratio": self.copy_ratio.median,
                "bytes_per_position": self.bytes_per_position,
            },
            **asdict(self),
        }


def main() -> int:
    """Measure and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.history", description=__doc__
    )
    parser.add_argument("--output", type=Path, default=Path("build/bench-history.json"))
    parser.add_argument("--updates", type=int, default=10_000)
    parser.add_argument("--persons", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    console = Console(highlight=False)
    scene = HistoryScene(options.updates, options.persons)
    results = uvloop.run(measure(scene, options.pairs))
    print_tables(console, results)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results.to_json(), indent=2) + "\n")
    console.print(f"Written to {options.output}.")
    return 0


async def measure(scene: HistoryScene, pairs: int) -> Results:
    """Store a scene both ways, in pairs, on stores of our own."""
    machine, payloads = this_machine(), list(scene.encoded())
    with tempfile.TemporaryDirectory(prefix="spoton-bench-") as name:
        (postgres_port, valkey_port), home = free_ports(2), Path(name)
        postgres = Postgres(home / "postgres", postgres_port, secrets.token_hex(16))
        valkey = Valkey(home / "valkey", valkey_port, secrets.token_hex(16))
        with running_store(postgres) as first, running_store(valkey) as second:
            pids = {"postgres": first.pid, "valkey": second.pid}
            return await _measure(machine, scene, pairs, payloads, first, second, pids)


async def _measure(
    machine: Machine,
    scene: HistoryScene,
    pairs: int,
    payloads: Sequence[bytes],
    postgres: StoreProcess[Postgres],
    valkey: StoreProcess[Valkey],
    pids: dict[str, int],
) -> Results:
    dsn = postgres.store.dsn()
    await migrate(dsn, SCHEMA, VERSIONS)
    stored: list[Round] = []
    copied: list[Round] = []
    async with open_pool(dsn, SCHEMA) as pool, open_redis(valkey.store.url) as redis:
        arms = Arms(pool, redis, dsn, pids, payloads)
        # The first pair warms up and makes the partition; it does not count.
        for number in range(pairs + 1):
            environment_id = EnvironmentId(f"bench-{number}")
            await arms.publish(environment_id)
            wal_before = await arms.wal_bytes()
            stored.append(await arms.timed(arms.store(environment_id)))
            wal_bytes = await arms.wal_bytes() - wal_before
            copied.append(await arms.timed(asyncio.to_thread(arms.copy)))
            await arms.forget(environment_id)
        positions_bytes, other_bytes = await arms.sizes()
        steps_s = arms.steps_s()
    return _results(
        machine,
        scene,
        (stored[1:], copied[1:]),
        steps_s,
        bytes_per_position=positions_bytes / (2 * (pairs + 1) * scene.positions),
        other_bytes_per_position=other_bytes / ((pairs + 1) * scene.positions),
        wal_bytes_per_position=wal_bytes / scene.positions,
    )


def _results(
    machine: Machine,
    scene: HistoryScene,
    rounds: tuple[list[Round], list[Round]],
    steps_s: dict[str, float],
    **sizes: float,
) -> Results:
    stored, copied = rounds
    pairs = list(zip(stored, copied, strict=True))
    per_position_us = 1e6 / scene.positions
    own_us = spread([one.own_cpu_s for one in stored]).median * per_position_us
    steps_us = {name: value * per_position_us for name, value in steps_s.items()}
    spent_us = {
        **steps_us,
        "rest of the process": own_us - sum(steps_us.values()),
        "PostgreSQL": spread([one.postgres_cpu_s for one in stored]).median
        * per_position_us,
        "Valkey": spread([one.valkey_cpu_s for one in stored]).median * per_position_us,
        "write_row: process": spread([one.own_cpu_s for one in copied]).median
        * per_position_us,
        "write_row: PostgreSQL": spread([one.postgres_cpu_s for one in copied]).median
        * per_position_us,
    }
    return Results(
        machine=machine,
        scene=scene,
        positions_per_s=spread([scene.positions / one.wall_s for one in stored]),
        copied_per_s=spread([scene.positions / one.wall_s for one in copied]),
        copy_ratio=spread([b.wall_s / a.wall_s for a, b in pairs]),
        cpu_ratio=spread([b.cpu_s / a.cpu_s for a, b in pairs]),
        spent_us=spent_us,
        **sizes,
    )


def print_tables(console: Console, results: Results) -> None:
    """Print everything that was measured; values are median (least–most)."""
    console.print(results.machine.text())
    scene = results.scene
    table = Table(
        title=f"History, {scene.updates:,} updates of {scene.persons} persons",
        title_justify="left",
    )
    for heading in ("number", "measured", "goal", ""):
        table.add_column(heading, justify="left" if heading == "number" else "right")
    for name, value, digits, least in (
        ("positions/s", results.positions_per_s, 0, LEAST_POSITIONS_PER_S),
        ("positions/s, decode and write_row", results.copied_per_s, 0, None),
        ("copy ratio", results.copy_ratio, 2, LEAST_COPY_RATIO),
        ("copy ratio in processor time", results.cpu_ratio, 2, None),
    ):
        goal = "" if least is None else f"≥ {least:,}"
        reached = "" if least is None else _verdict(value.median >= least)
        table.add_row(name, value.text(digits), goal, reached)
    for name, bytes_each in (
        ("bytes per position", results.bytes_per_position),
        ("bytes per position, all other tables", results.other_bytes_per_position),
        ("bytes per position, written to the WAL", results.wal_bytes_per_position),
    ):
        table.add_row(name, f"{bytes_each:.1f}", "", "")
    console.print(table)
    spent = Table(title="Processor time per position", title_justify="left")
    spent.add_column("by")
    spent.add_column("µs", justify="right")
    for name, value_us in results.spent_us.items():
        spent.add_row(name, f"{value_us:.2f}")
    console.print(spent)


def _verdict(reached: bool) -> str:  # noqa: FBT001 - the whole question.
    return "reached" if reached else "[red]missed[/]"


if __name__ == "__main__":
    sys.exit(main())
