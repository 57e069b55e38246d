"""What it costs that every call proves who makes it: `python -m tests.bench.guard`.

One server in this process and one client, in four ways by turns: unguarded, on an open
loopback, by a service itself, and on behalf of a caller. A stream proves itself when it
opens, so its messages must cost about the same; a call pays for signatures only when it
is made on behalf of a caller. Processor time of both ends together, which other work on
the machine hardly changes.
"""

import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop
from grpc import aio
from rich.console import Console
from rich.table import Table

from services.common.auth import ScopeInterceptor
from services.common.grpc_errors import ErrorInterceptor
from services.common.mesh.identity import Metadata
from services.common.mesh.policy import LoopbackPolicy
from services.common.metrics import CallMetricsInterceptor
from services.common.signed_channel import SignedChannel
from spoton.mapper.v1 import mapper_pb2, mapper_pb2_grpc
from tests.fakes.mesh import make_mesh, user

ROUNDS = 9
MESSAGES = 4000
CALLS = 600
OUTPUT = Path("build/bench-guard.json")

Proof = Callable[[], Metadata]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to make calls.

    Attributes:
        name: For the table.
        stub: Makes them.
    """

    name: str
    stub: mapper_pb2_grpc.MapperServiceStub


class Mapper(mapper_pb2_grpc.MapperServiceServicer):
    """Answers at once."""

    async def Project(self, request_iterator, context):
        async for _ in request_iterator:
            yield mapper_pb2.ProjectResponse()

    async def ListCameras(self, request, context):
        return mapper_pb2.ListCamerasResponse()


@asynccontextmanager
async def way(
    name: str, guard: ScopeInterceptor | None, proof: Proof | None = None
) -> AsyncIterator[Way]:
    """Serve and connect in one way."""
    interceptors = (CallMetricsInterceptor(), ErrorInterceptor())
    server = aio.server(
        interceptors=interceptors if guard is None else (*interceptors, guard)
    )
    mapper_pb2_grpc.add_MapperServiceServicer_to_server(Mapper(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = aio.insecure_channel(f"127.0.0.1:{port}")
    if proof is not None:
        channel = SignedChannel(channel, proof)
    try:
        async with channel:
            yield Way(name, mapper_pb2_grpc.MapperServiceStub(channel))
    finally:
        await server.stop(0)


async def message_us(stub: mapper_pb2_grpc.MapperServiceStub) -> float:
    """Return the processor time of one message of a stream and its answer."""

    async def requests() -> AsyncIterator[mapper_pb2.ProjectRequest]:
        for _ in range(MESSAGES):
            yield mapper_pb2.ProjectRequest(environment_id="plaza")

    begin_s = time.process_time()
    async for _ in stub.Project(requests()):
        pass
    return (time.process_time() - begin_s) * 1e6 / MESSAGES


async def call_us(stub: mapper_pb2_grpc.MapperServiceStub) -> float:
    """Return the processor time of one call with one answer."""
    request = mapper_pb2.ListCamerasRequest(environment_id="plaza")
    begin_s = time.process_time()
    for _ in range(CALLS):
        await stub.ListCameras(request)
    return (time.process_time() - begin_s) * 1e6 / CALLS


async def measure(folder: Path) -> dict[str, dict[str, float]]:
    """Return what each way costs, medians of alternating rounds."""
    mesh = make_mesh(folder)
    guard = ScopeInterceptor(mesh.policy("mapper"))
    caller = user({"plaza": {"environments:read"}})
    pipeline, gateway = mesh.identity("pipeline"), mesh.identity("gateway")
    async with (
        way("unguarded", None) as unguarded,
        way("open loopback", ScopeInterceptor(LoopbackPolicy())) as loopback,
        way("a service", guard, lambda: pipeline.metadata("mapper")) as own,
        way("for a caller", guard, lambda: gateway.metadata("mapper", caller)) as claim,
    ):
        ways: Sequence[Way] = (unguarded, loopback, own, claim)
        figures = {one.name: _Figures([], []) for one in ways}
        for _ in range(ROUNDS):
            for one in ways:
                figures[one.name].message_us.append(await message_us(one.stub))
                figures[one.name].call_us.append(await call_us(one.stub))
    return {
        name: {
            "message_us": statistics.median(one.message_us),
            "call_us": statistics.median(one.call_us),
        }
        for name, one in figures.items()
    }


@dataclass(frozen=True, slots=True)
class _Figures:
    """Processor time of one way, by round, microseconds."""

    message_us: list[float]
    call_us: list[float]


def main() -> None:
    """Measure, print a table, and write it as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        figures = uvloop.run(measure(Path(folder)))
    base = figures["unguarded"]
    table = Table("processor time", "a message, us", "ratio", "a call, us", "ratio")
    for name, one in figures.items():
        cells = [name]
        for key, value in one.items():
            cells += [f"{value:.0f}", f"{value / base[key]:.2f}"]
        table.add_row(*cells)
    Console().print(table)
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(figures, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
