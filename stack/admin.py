"""The administrator of a stack: made at the first start, the password kept nowhere."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping

from stack.home import Home, StackError
from stack.programs import REPOSITORY

ADMIN = "admin"
"""Name of the first administrator."""

_TIMEOUT_S = 60.0


async def create_admin(home: Home, gateway: Mapping[str, str]) -> str | None:
    """Return the password of the administrator, if it was made just now.

    Args:
        home: Of the stack.
        gateway: Variables of the gateway.

    Raises:
        StackError: The administrator cannot be made.
    """
    printed = await asyncio.to_thread(
        _run, home, gateway, "services.gateway.create_admin", ADMIN
    )
    return printed or None


def reset_password(home: Home, gateway: Mapping[str, str], name: str) -> str:
    """Return the new password of a user.

    Raises:
        StackError: There is no such user, or the stores are away.
    """
    return _run(home, gateway, "services.gateway.reset_password", name)


def _run(home: Home, gateway: Mapping[str, str], module: str, name: str) -> str:
    """Run a command of the gateway; return what it prints."""
    command = (sys.executable, "-m", module, name)
    try:
        done = subprocess.run(  # noqa: S603 - our own module, no shell.
            command,
            env=os.environ | gateway,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"{module} did not end; logs: {home.logs}") from None
    if done.returncode:
        raise StackError(f"{module} failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout.strip()
