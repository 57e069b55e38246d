"""A whole stack comes up, stays up, and goes without a trace."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from stack.home import AlreadyRunning, Home, StackError
from stack.launcher import Stack, running
from stack.leftovers import end_leftovers
from stack.ports import Ports, PortTaken, is_free
from stack.programs import REPOSITORY, is_serving
from stack.provisioning import provision_postgres
from stack.services import Service
from stack.stores.postgres import role_dsn
from stack.supervisor import HOME_VARIABLE

PATIENCE_S = 30.0

Services = dict[str, Service]


async def wait_until(condition: Callable[[], bool]) -> None:
    """Return when a condition holds, and fail when it takes too long."""
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.05)


def processes_of(home: Path) -> list[psutil.Process]:
    """Return the processes that belong to a stack."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(HOME_VARIABLE) == str(home):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


@contextmanager
def launcher(home: Path, ports: Ports) -> Iterator[subprocess.Popen[str]]:
    """Run a stack in another process, and wait until it is up."""
    numbers = [str(port.number) for port in ports.all()]
    module = "tests.integration.stack.launcher_program"
    process = subprocess.Popen(  # noqa: S603 — our own program, no shell.
        [sys.executable, "-m", module, str(home), *numbers],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
    finally:
        process.kill()
        process.communicate()
        end_leftovers(Home(home))


async def test_data_outlives_the_stack(
    home: Path, ports: Ports, services: Services
) -> None:
    """What a service stored is there when the stack comes up again."""
    async with running(home, ports, services) as stack:
        with psycopg.connect(own_dsn(stack)) as connection:
            connection.execute("CREATE TABLE idle.kept AS SELECT 1 AS value")
    assert processes_of(home) == []
    async with running(home, ports, services) as stack:
        with psycopg.connect(own_dsn(stack)) as connection:
            row = connection.execute("SELECT value FROM idle.kept").fetchone()
    assert row == (1,)


def own_dsn(stack: Stack, name: str = "idle") -> str:
    """Return a service's connection string."""
    password = stack.stores.credentials[f"postgres-{name}"]
    return role_dsn(name, password, stack.stores.postgres.port, "spoton")


async def test_what_dies_is_started_again(
    home: Path, ports: Ports, services: Services
) -> None:
    """A killed service and a killed store are back after a moment."""
    async with running(home, ports, services) as stack:
        for name, program_is_ready in (
            ("idle", lambda: is_serving(stack.addresses["idle"])),
            ("valkey", stack.stores.valkey.is_ready),
        ):
            pid = stack.supervisor.states()[name].pid
            psutil.Process(pid).kill()
            await wait_until(
                lambda name=name, pid=pid: (
                    stack.supervisor.states()[name].pid not in (0, pid)
                )
            )
            await wait_until(program_is_ready)


def readable_by_others(home: Path, secrets: list[str]) -> list[Path]:
    """Return the files with one of the secrets that others may read."""
    return [
        file
        for file in home.rglob("*")
        if file.is_file()
        and stat.S_IMODE(file.stat().st_mode) & 0o077
        and any(secret.encode() in file.read_bytes() for secret in secrets)
    ]


async def test_secrets_are_for_their_owner(
    home: Path, ports: Ports, services: Services
) -> None:
    """No file with a secret can be read by others."""
    async with running(home, ports, services) as stack:
        secrets = list(stack.stores.credentials.values.values())
        assert readable_by_others(home, secrets) == []


async def test_a_role_sees_its_own_schema_only(
    home: Path, ports: Ports, services: Services
) -> None:
    """A service cannot read the tables of another."""
    another = {"other": services["idle"]}
    async with running(home, ports, services) as stack:
        provision_postgres(stack.stores.postgres, dict.fromkeys(another, "pw"))
        with psycopg.connect(own_dsn(stack)) as connection:
            connection.execute("CREATE TABLE idle.secret AS SELECT 1")
        dsn = role_dsn("other", "pw", stack.stores.postgres.port, "spoton")
        with (
            psycopg.connect(dsn) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("SELECT * FROM idle.secret")


async def test_a_program_that_dies_is_shown_with_its_log(
    home: Path, ports: Ports, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that cannot start ends the start at once, with its last words."""
    monkeypatch.setenv("SPOTON_IDLE_DIES", "1")
    with pytest.raises(StackError, match=r"(?s)idle died.*SPOTON_IDLE_DIES must not"):
        async with running(home, ports, services):
            pass
    assert processes_of(home) == []


async def test_a_taken_port_is_named_before_anything_starts(
    home: Path, ports: Ports, services: Services
) -> None:
    """The message has the port, its variable and its holder."""
    number = ports.stores["valkey"].number
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", number))
        holder.listen()
        message = f"Port {number} is taken by process {os.getpid()}.*SPOTON_VALKEY_PORT"
        with pytest.raises(PortTaken, match=message):
            async with running(home, ports, services):
                pass
    assert not (home / "stores" / "postgres").exists()


async def test_a_second_launcher_is_refused(
    home: Path, ports: Ports, services: Services
) -> None:
    """Two launchers never run one home; the first goes on."""
    async with running(home, ports, services) as stack:
        with pytest.raises(AlreadyRunning, match=str(os.getpid())):
            async with running(home, ports, services):
                pass
        assert is_serving(stack.addresses["idle"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_leaves_nothing_behind(
    home: Path, ports: Ports, number: signal.Signals
) -> None:
    """Ctrl-C, SIGTERM and a hang-up end every process."""
    with launcher(home, ports) as process:
        process.send_signal(number)
        assert await asyncio.to_thread(process.wait, PATIENCE_S) == 0
        assert processes_of(home) == []
    assert all(is_free(port.number) for port in ports.all())


async def test_a_killed_launcher_takes_its_processes_along(
    home: Path, ports: Ports, services: Services
) -> None:
    """After kill -9 of the launcher all ends, and the next start works."""
    with launcher(home, ports) as process:
        process.kill()
        await asyncio.to_thread(process.wait)
        await wait_until(lambda: processes_of(home) == [])
        async with running(home, ports, services) as stack:
            assert is_serving(stack.addresses["idle"])


async def test_leftovers_of_a_killed_supervisor_are_ended(
    home: Path, ports: Ports, services: Services
) -> None:
    """Launcher and supervisor killed at once: the next start cleans up and works."""
    with launcher(home, ports) as process:
        victims = [p for p in processes_of(home) if "supervisor" in str(p.cmdline())]
        process.kill()
        await asyncio.to_thread(process.wait)
        for victim in victims:
            victim.kill()
        async with running(home, ports, services) as stack:
            assert is_serving(stack.addresses["idle"])
    assert processes_of(home) == []
