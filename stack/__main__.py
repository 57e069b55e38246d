"""Command line: `python -m stack up`, `down`, `status`, `token`, `reset-password`."""

import argparse
import asyncio
import getpass
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from services.common.errors import InvalidInput
from stack.admin import ADMIN, reset_password
from stack.home import AlreadyRunning, Home, StackError
from stack.launcher import Stack, running
from stack.mesh_keys import load_operator_token
from stack.ports import ports_from_environment
from stack.programs import open_stores
from stack.services import GATEWAY, SERVICES
from stack.signals import stop_on_signals
from stack.supervisor import Supervisor

_DOWN_TIMEOUT_S = 60.0
_POLL_S = 0.1


def main() -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__)
    parser.add_argument(
        "command", choices=("up", "down", "status", "token", "reset-password")
    )
    parser.add_argument("name", nargs="?", default=ADMIN, help="user of reset-password")
    arguments = parser.parse_args()
    command = arguments.command
    home = Home(Path(os.environ.get("SPOTON_HOME") or ".spoton").expanduser().resolve())
    try:
        if command == "up":
            return asyncio.run(_up(home))
        if command == "token":
            return _token(home)
        if command == "reset-password":
            return _reset_password(home, arguments.name)
        return asyncio.run(_down(home)) if command == "down" else _status(home)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1


async def _up(home: Home) -> int:
    """Run the stack until a signal or `stack down` ends it."""
    stop_on_signals()
    ports = ports_from_environment(os.environ)
    print(f"Starting the stack in {home.root} ...", flush=True)
    try:
        async with running(home.root, ports) as stack:
            _print_addresses(stack)
            await stack.wait_until_stopped()
    except AlreadyRunning as error:
        print(f"{error}\n`python -m stack status` shows it, `down` stops it.")
        return 1
    except asyncio.CancelledError:
        print("Stopped.", flush=True)
    return 0


def _print_addresses(stack: Stack) -> None:
    print(f"All healthy after {stack.start_s:.1f} s. Logs: {stack.home.logs}")
    for name, address in stack.addresses.items():
        print(f"  {name:10} {address}   metrics http://{stack.metrics[name]}/metrics")
    for address in stack.http.values():
        print(f"  {'http':10} http://{address}")
    print(f"  {'postgres':10} 127.0.0.1:{stack.stores.postgres.port}")
    print(f"  {'valkey':10} 127.0.0.1:{stack.stores.valkey.port}")
    print(f"  {'s3':10} 127.0.0.1:{stack.stores.seaweedfs.port}")
    if stack.admin_password is not None:
        print(f"Log in as {ADMIN!r} with the password {stack.admin_password}")
        print(
            "It is shown this once; `python -m stack reset-password` makes a new one."
        )
    print("Ctrl-C stops it.", flush=True)


async def _down(home: Home) -> int:
    """Stop the stack of another terminal."""
    launcher = home.launcher_pid()
    if launcher is None:
        print(f"No stack runs in {home.root}.")
        return 0
    with suppress(ProcessLookupError):
        os.kill(launcher, signal.SIGTERM)
    async with asyncio.timeout(_DOWN_TIMEOUT_S):
        while home.launcher_pid() is not None:  # noqa: ASYNC110 — another process.
            await asyncio.sleep(_POLL_S)
    print("Stopped.")
    return 0


def _status(home: Home) -> int:
    """Print the state of every program; 0 if all run."""
    states = Supervisor(home).states() if home.launcher_pid() is not None else {}
    if not states:
        print(f"No stack runs in {home.root}.")
        return 1
    for state in states.values():
        print(f"  {state.name:10} {state.state:9} {state.description}")
    return 0 if all(state.state == "RUNNING" for state in states.values()) else 1


def _token(home: Home) -> int:
    """Print a token that opens every service of the stack for an hour."""
    try:
        print(load_operator_token(home.mesh_keys, getpass.getuser()))
    except InvalidInput:
        print(f"No stack was ever started in {home.root}.", file=sys.stderr)
        return 1
    return 0


def _reset_password(home: Home, name: str) -> int:
    """Print a new password of a user, whose login sessions end."""
    if home.launcher_pid() is None:
        print(f"No stack runs in {home.root}.", file=sys.stderr)
        return 1
    stores = open_stores(home, ports_from_environment(os.environ), SERVICES)
    print(reset_password(home, stores.variables(GATEWAY, SERVICES[GATEWAY]), name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
