"""`python -m tests.bench.gateway`: measure what the gateway adds to a unary call.

The same calls by gRPC, through the gateway, and an aiohttp handler that does nothing,
in turns on one machine. Prints a table and writes `build/bench-gateway.json`.
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp
import uvloop
from rich.console import Console
from rich.table import Table

from services.common.grpc_client import open_channel
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc
from spoton.tracker.v1 import tracker_pb2, tracker_pb2_grpc
from stack.ports import free_ports
from stack.stores.postgres import Postgres
from stack.stores.process import StoreProcess
from stack.stores.valkey import Valkey
from tests.bench.gateway_arms import TOKEN, running_arm
from tests.bench.machine import this_machine
from tests.bench.statistics import Spread, percentile_ms, spread

Call = Callable[[], Awaitable[object]]
WARM_UP = 200


@dataclass(frozen=True, slots=True)
class Cost:
    """What one RPC costs.

    Attributes:
        rpc: Its name.
        grpc_p50_ms: By gRPC, over all rounds.
        grpc_p99_ms: Same.
        gateway_p50_ms: Through the gateway.
        gateway_p99_ms: Same.
        empty_p50_ms: The handler that does nothing.
        empty_p99_ms: Same.
        p50_to_grpc: Ratio of the medians, over the rounds.
        p99_to_grpc: Ratio of the 99th percentiles, over the rounds.
        p50_to_empty: Same, to the handler that does nothing.
        p99_to_empty: Same.
    """

    rpc: str
    grpc_p50_ms: float
    grpc_p99_ms: float
    gateway_p50_ms: float
    gateway_p99_ms: float
    empty_p50_ms: float
    empty_p99_ms: float
    p50_to_grpc: Spread
    p99_to_grpc: Spread
    p50_to_empty: Spread
    p99_to_empty: Spread


@dataclass(frozen=True, slots=True)
class Arms:
    """What is called.

    Attributes:
        direct: By name of an RPC: the call by gRPC.
        through: By name of an RPC: the same through the gateway.
        empty: The handler that does nothing.
    """

    direct: dict[str, Call]
    through: dict[str, Call]
    empty: Call


def main() -> int:
    """Measure and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gateway")
    parser.add_argument("--output", type=Path, default=Path("build/bench-gateway.json"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=500)
    options = parser.parse_args()
    console = Console(highlight=False)
    costs = uvloop.run(_measure(options.rounds, options.calls))
    _print(console, costs)
    results = {
        "machine": asdict(this_machine()),
        "rounds": options.rounds,
        "calls_per_round": options.calls,
        "costs": [asdict(cost) for cost in costs],
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=2) + "\n")
    console.print(f"Written to {options.output}.")
    return 0


async def _measure(rounds: int, calls: int) -> list[Cost]:
    """Measure each RPC in turns with the others."""
    async with _arms() as arms:
        return [await _cost(arms, rpc, rounds, calls) for rpc in arms.direct]


async def _cost(arms: Arms, rpc: str, rounds: int, calls: int) -> Cost:
    ways = (arms.direct[rpc], arms.through[rpc], arms.empty)
    for call in ways:
        await _durations_s(call, WARM_UP)
    taken = [[await _durations_s(call, calls) for call in ways] for _ in range(rounds)]
    direct, through, empty = (
        [duration for each in taken for duration in each[way]] for way in range(3)
    )

    def ratio(way: int, percent: float) -> Spread:
        return spread(
            [
                percentile_ms(each[1], percent) / percentile_ms(each[way], percent)
                for each in taken
            ]
        )

    return Cost(
        rpc=rpc,
        grpc_p50_ms=percentile_ms(direct, 50),
        grpc_p99_ms=percentile_ms(direct, 99),
        gateway_p50_ms=percentile_ms(through, 50),
        gateway_p99_ms=percentile_ms(through, 99),
        empty_p50_ms=percentile_ms(empty, 50),
        empty_p99_ms=percentile_ms(empty, 99),
        p50_to_grpc=ratio(0, 50),
        p99_to_grpc=ratio(0, 99),
        p50_to_empty=ratio(2, 50),
        p99_to_empty=ratio(2, 99),
    )


async def _durations_s(call: Call, count: int) -> list[float]:
    """Return how long each of a row of calls takes, one after another."""
    durations = []
    for _ in range(count):
        begin_s = time.perf_counter()
        await call()
        durations.append(time.perf_counter() - begin_s)
    return durations


@asynccontextmanager
async def _arms() -> AsyncIterator[Arms]:
    """Run PostgreSQL, the services, the gateway and the handler that does nothing."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres_port, valkey_port = free_ports(2)
        postgres = Postgres(folder / "postgres", postgres_port, secrets.token_hex(16))
        valkey = Valkey(folder / "valkey", valkey_port, secrets.token_hex(16))
        for process in (StoreProcess(postgres), StoreProcess(valkey)):
            await asyncio.to_thread(process.start)
            stack.callback(process.stop)
        mapper_address, tracker_address = await enter(
            running_arm("services", postgres.dsn())
        )
        addresses = (mapper_address, tracker_address, valkey.url)
        (gateway,) = await enter(running_arm("gateway", *addresses))
        (empty,) = await enter(running_arm("empty"))
        mapper = mapper_pb2_grpc.MapperServiceStub(
            await enter(open_channel(mapper_address))
        )
        tracker = tracker_pb2_grpc.TrackerServiceStub(
            await enter(open_channel(tracker_address))
        )
        headers = {"Authorization": f"Bearer {TOKEN}"}
        http = await enter(aiohttp.ClientSession(headers=headers))
        await _make_environment(mapper)
        named = mapper_pb2.GetEnvironmentRequest(environment_id="plaza")
        trackers = tracker_pb2.ListTrackersRequest()
        base = f"http://{gateway}/v1"
        yield Arms(
            direct={
                "ListTrackers": lambda: tracker.ListTrackers(trackers, timeout=30.0),
                "GetEnvironment": lambda: mapper.GetEnvironment(named, timeout=30.0),
            },
            through={
                "ListTrackers": lambda: _get(http, f"{base}/tracker/trackers"),
                "GetEnvironment": lambda: _get(http, f"{base}/environments/plaza"),
            },
            empty=lambda: _get(http, f"http://{empty}/"),
        )


async def _make_environment(mapper: mapper_pb2_grpc.MapperServiceStub) -> None:
    floors = [environment_pb2.Floor(floor_id="ground")]
    environment = environment_pb2.Environment(environment_id="plaza", floors=floors)
    await mapper.CreateEnvironment(
        mapper_pb2.CreateEnvironmentRequest(environment=environment)
    )


async def _get(http: aiohttp.ClientSession, url: str) -> bytes:
    async with http.get(url) as answer:
        answer.raise_for_status()
        return await answer.read()


def _print(console: Console, costs: list[Cost]) -> None:
    table = Table(title="A unary call, one at a time; p50 / p99")
    for column in ("RPC", "gRPC", "gateway", "empty", "÷ gRPC", "÷ empty"):
        table.add_column(column)
    for cost in costs:
        table.add_row(
            cost.rpc,
            f"{cost.grpc_p50_ms:.2f} / {cost.grpc_p99_ms:.2f} ms",
            f"{cost.gateway_p50_ms:.2f} / {cost.gateway_p99_ms:.2f} ms",
            f"{cost.empty_p50_ms:.2f} / {cost.empty_p99_ms:.2f} ms",
            f"{cost.p50_to_grpc.text()} / {cost.p99_to_grpc.text()}",
            f"{cost.p50_to_empty.text()} / {cost.p99_to_empty.text()}",
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
