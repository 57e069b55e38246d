"""Bring a whole stack up, keep it up while a block runs, and take it down."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stack.admin import create_admin
from stack.home import Home, StackError
from stack.leftovers import end_leftovers
from stack.mesh_keys import MeshKeys, load_or_create_mesh_keys
from stack.ports import Ports, require_free
from stack.programs import (
    Program,
    Stores,
    account_variables,
    open_stores,
    service_program,
    store_program,
)
from stack.services import GATEWAY, SERVICES, Service
from stack.stores.store import StoreError
from stack.supervisor import Supervisor

_POLL_S = 0.2
_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 40.0
_LOG_LINES = 20
_DYING = ("BACKOFF", "EXITED", "FATAL")


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that is up.

    Attributes:
        home: Its directory.
        addresses: By name of the service: `host:port` of its RPCs.
        metrics: By name of the service: `host:port` of its metrics.
        http: By name of the service: `host:port` where it answers HTTP.
        stores: The stores, with their secrets.
        keys: The keys of the services and of the operator.
        supervisor: Knows the processes.
        start_s: How long it took until all was healthy, seconds.
        process: supervisord.
        admin_password: Of the administrator, if this start made one; kept nowhere.
    """

    home: Home
    addresses: Mapping[str, str]
    metrics: Mapping[str, str]
    http: Mapping[str, str]
    stores: Stores
    keys: MeshKeys
    supervisor: Supervisor
    start_s: float
    process: subprocess.Popen[bytes]
    admin_password: str | None = field(repr=False)

    async def wait_until_stopped(self) -> None:
        """Return when the supervisor has ended, as after `stack down`."""
        await asyncio.to_thread(self.process.wait)


@asynccontextmanager
async def running(
    root: Path, ports: Ports, services: Mapping[str, Service] = SERVICES
) -> AsyncIterator[Stack]:
    """Run stores and services while a block runs; no process outlives it.

    Args:
        root: The stack's directory, absolute, created when missing, kept afterwards.
        ports: Where everything listens.
        services: What to run on top of the stores.

    Raises:
        StackError: A port is taken, the stack runs already, a store's data cannot be
            used, or a program does not come up; with the end of its log.
    """
    started = time.monotonic()
    home = Home(root)
    home.create()
    with home.locked():
        end_leftovers(home)
        require_free(ports.all())
        stores = open_stores(home, ports, services)
        await _prepare(stores)
        keys = load_or_create_mesh_keys(home.mesh_keys, services)
        layers = _layers(ports, stores, keys, services, home.media)
        supervisor = Supervisor(home)
        supervisor.configure([program for layer in layers for program in layer])
        process = supervisor.launch()
        try:
            await _bring_up(home, supervisor, process, stores, services, layers)
            admin_password = None
            if GATEWAY in services:
                gateway = stores.variables(GATEWAY, services[GATEWAY])
                admin_password = await create_admin(home, gateway)
            yield Stack(
                home=home,
                addresses={
                    name: _address(ports.services[name].number) for name in services
                },
                metrics={
                    name: _address(ports.metrics[name].number) for name in services
                },
                http={name: _address(port.number) for name, port in ports.http.items()},
                stores=stores,
                keys=keys,
                supervisor=supervisor,
                start_s=time.monotonic() - started,
                process=process,
                admin_password=admin_password,
            )
        finally:
            _end(process)
            end_leftovers(home)
            for store in stores.all():
                store.clean_up()


def _layers(
    ports: Ports,
    stores: Stores,
    keys: MeshKeys,
    services: Mapping[str, Service],
    media: Path,
) -> tuple[Sequence[Program], Sequence[Program]]:
    """Return the programs of the stores, and those that need them provisioned."""
    accounts = account_variables(ports, stores) if GATEWAY in services else {}
    return (
        [store_program(store) for store in stores.all()],
        [
            service_program(
                name,
                service,
                ports,
                stores,
                keys,
                media,
                {} if name == GATEWAY else accounts,
            )
            for name, service in services.items()
        ],
    )


async def _prepare(stores: Stores) -> None:
    """Create the stores' directories, all at the same time."""
    try:
        await asyncio.gather(
            *(asyncio.to_thread(store.prepare) for store in stores.all())
        )
    except StoreError as error:
        raise StackError(str(error)) from error


async def _bring_up(
    home: Home,
    supervisor: Supervisor,
    process: subprocess.Popen[bytes],
    stores: Stores,
    services: Mapping[str, Service],
    layers: tuple[Sequence[Program], Sequence[Program]],
) -> None:
    await _wait_for_supervisor(home, supervisor, process)
    store_programs, service_programs = layers
    supervisor.start(store_programs)
    await _wait_until_ready(home, supervisor, store_programs)
    await asyncio.to_thread(stores.provision, services)
    supervisor.start(service_programs)
    await _wait_until_ready(home, supervisor, service_programs)


async def _wait_for_supervisor(
    home: Home, supervisor: Supervisor, process: subprocess.Popen[bytes]
) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not supervisor.is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise StackError(
                "supervisord did not start.\n" + log_tail(home, "supervisord.out")
            )
        await asyncio.sleep(_POLL_S)


async def _wait_until_ready(
    home: Home, supervisor: Supervisor, programs: Sequence[Program]
) -> None:
    """Wait for all of some programs; the first that dies ends the wait."""
    waits = [
        asyncio.create_task(_wait_for(home, supervisor, program))
        for program in programs
    ]
    try:
        await asyncio.gather(*waits)
    finally:
        for wait in waits:
            wait.cancel()


async def _wait_for(home: Home, supervisor: Supervisor, program: Program) -> None:
    """Wait until a program does its work.

    Raises:
        StackError: It died or takes too long; with the end of its log.
    """
    deadline = time.monotonic() + _START_TIMEOUT_S
    first_pid = 0
    while not await asyncio.to_thread(program.is_ready):
        state = (await asyncio.to_thread(supervisor.states)).get(program.name)
        first_pid = first_pid or (state.pid if state else 0)
        died = state is None or state.state in _DYING or state.pid != first_pid
        if died or time.monotonic() > deadline:
            problem = "died" if died else f"was not ready in {_START_TIMEOUT_S:.0f} s"
            raise StackError(
                f"{program.name} {problem}; its log ends with:\n"
                + log_tail(home, f"{program.name}.log")
            )
        await asyncio.sleep(_POLL_S)


def log_tail(home: Home, name: str) -> str:
    """Return the last lines of a log, indented."""
    log = home.logs / name
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(f"  {line}" for line in lines[-_LOG_LINES:])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _address(port: int) -> str:
    return f"127.0.0.1:{port}"
