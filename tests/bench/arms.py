"""Both things that are compared, started side by side on the same stores."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from demo.client import Mesh, connected
from stack.launcher import Stack, running
from stack.ports import BASE_VARIABLE, free_ports, ports_from_environment
from stack.programs import REPOSITORY, is_serving
from stack.services import SERVICES, Service
from stack.supervisor import dying_with_parent
from tests.bench.one_process import NULL_MODEL

STORES = ("postgres", "valkey", "seaweedfs")
DATABASE = "one_process"

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0
_POLL_S = 0.1


class BenchError(Exception):
    """Something did not come out as it must for a number to mean anything."""


# Analytics reads what either side publishes and is on no frame's way; beside the mesh
# alone it would only take processor time from that.
_COMPARED = {name: one for name, one in SERVICES.items() if name != "analytics"}
_NOBODY = "127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to run the services.

    Attributes:
        name: For tables.
        mesh: Calls its mapper and its pipeline.
        redis_url: Where its events are.
        services: Process id of each of its services.
        stores: Process id of each store; both arms share them.
    """

    name: str
    mesh: Mesh
    redis_url: str
    services: Mapping[str, int]
    stores: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Arms:
    """The mesh and the one process.

    Attributes:
        mesh: Each service a process, as `make run` starts them.
        one_process: All services in one process.
        ports: By name of the service or store of the mesh: where it listens.
    """

    mesh: Arm
    one_process: Arm
    ports: Mapping[str, int]


@asynccontextmanager
async def running_arms(home: Path, *, null_model: bool) -> AsyncIterator[Arms]:
    """Run both while a block runs; nothing outlives it.

    Args:
        home: Folder for stores and logs.
        null_model: Whether the detectors run the null model.
    """
    (base,) = free_ports(1)
    ports = ports_from_environment({BASE_VARIABLE: str(base)})
    services = dict(_COMPARED)
    services["pipeline"] = replace(
        services["pipeline"], module="tests.bench.observed_pipeline"
    )
    if null_model:
        services["detector"] = Service("tests.bench.null_detector")
    async with AsyncExitStack() as opened:
        stack = await opened.enter_async_context(running(home, ports, services))
        pids = {name: state.pid for name, state in stack.supervisor.states().items()}
        stores = {name: pids[name] for name in STORES}
        mesh = await opened.enter_async_context(
            connected(
                {"analytics": _NOBODY, **stack.addresses},
                lambda: stack.keys.operator_token("bench"),
            )
        )
        process, address = await opened.enter_async_context(
            _one_process(stack, home, null_model=null_model)
        )
        one = await opened.enter_async_context(
            connected(dict.fromkeys(SERVICES, address), lambda: "none")
        )
        numbers = {
            name: port.number
            for group in (ports.services, ports.stores)
            for name, port in group.items()
        }
        yield Arms(
            mesh=Arm(
                "mesh",
                mesh,
                stack.stores.valkey.url,
                {name: pids[name] for name in services},
                stores,
            ),
            one_process=Arm(
                "one process",
                one,
                _other_redis(stack),
                {"one process": process.pid},
                stores,
            ),
            ports=numbers,
        )


@asynccontextmanager
async def _one_process(
    stack: Stack, home: Path, *, null_model: bool
) -> AsyncIterator[tuple[subprocess.Popen[bytes], str]]:
    """Run all services in one process on the stores of a stack."""
    port, metrics_port = free_ports(2)
    address = f"127.0.0.1:{port}"
    variables = _variables(stack) | {
        "SPOTON_PIPELINE_LISTEN": address,
        "SPOTON_PIPELINE_METRICS_LISTEN": f"127.0.0.1:{metrics_port}",
        # The catalogue of cameras is asked when a session is created.
        "SPOTON_PIPELINE_MAPPER_ADDRESS": address,
        "SPOTON_MESH_OPEN_LOOPBACK": "true",
    }
    command = [sys.executable, "-m", "tests.bench.one_process"]
    command += [NULL_MODEL] if null_model else []
    with (home / "logs" / "one-process.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603, ASYNC220 - returns at once.
            dying_with_parent("TERM", command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=REPOSITORY,
            env=os.environ | variables,
        )
    try:
        await _until_serving(process, address, home)
        yield process, address
    finally:
        await asyncio.to_thread(_end, process)


def _variables(stack: Stack) -> dict[str, str]:
    """Return what the services are told about their stores.

    The servers are the mesh's; database and events are the one process's own.
    """
    stack.stores.postgres.create_database(DATABASE)
    variables: dict[str, str] = {}
    for name, service in _COMPARED.items():
        variables |= stack.stores.variables(name, service)
        prefix = f"SPOTON_{name.upper()}"
        if service.postgres:
            variables[f"{prefix}_POSTGRES_DSN"] = stack.stores.postgres.dsn(DATABASE)
        if service.redis:
            variables[f"{prefix}_REDIS_URL"] = _other_redis(stack)
    return variables


def _other_redis(stack: Stack) -> str:
    """Return the second database of the Valkey whose first the mesh uses."""
    return stack.stores.valkey.url.removesuffix("/0") + "/1"


async def _until_serving(
    process: subprocess.Popen[bytes], address: str, home: Path
) -> None:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while not await asyncio.to_thread(is_serving, address):
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise BenchError(
                "the one process did not start; see "
                f"{home / 'logs' / 'one-process.log'}"
            )
        await asyncio.sleep(_POLL_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
