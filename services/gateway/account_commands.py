"""What the gateway's commands about accounts have in common."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from services.common.environ import ConfigError, Environ
from services.common.errors import SpotOnError
from services.common.log import configure_logging
from services.common.postgres import open_pool
from services.common.redis_client import open_redis
from services.gateway.accounts.adapters.store import SCHEMA
from services.gateway.accounts.bootstrap import Accounts, open_accounts
from services.gateway.accounts.config import accounts_from_environ

Command = Callable[[Accounts], Coroutine[Any, Any, None]]

_READY_TIMEOUT_S = 60.0


@contextlib.asynccontextmanager
async def accounts_of(environ: Environ) -> AsyncIterator[Accounts]:
    """Yield the accounts that the gateway's variables describe."""
    dsn = environ.secret("POSTGRES_DSN")
    async with (
        open_pool(dsn, SCHEMA) as pool,
        open_redis(environ.secret("REDIS_URL")) as redis,
        open_accounts(accounts_from_environ(environ), dsn, pool, redis) as accounts,
    ):
        yield accounts


def run_command(name: str, command: Command, *, needs_keys: bool = True) -> int:
    """Run a command on the accounts; return its exit status.

    Args:
        name: Of the command, for logs.
        command: What to do.
        needs_keys: Whether the signing keys must be usable first.
    """
    configure_logging(name)

    async def run() -> None:
        async with accounts_of(Environ("SPOTON_GATEWAY_")) as accounts:
            async with asyncio.timeout(_READY_TIMEOUT_S):
                await asyncio.wait([accounts.ready])
            if needs_keys:
                accounts.ready.result()
            await command(accounts)

    try:
        asyncio.run(run())
    except TimeoutError:
        sys.stderr.write(f"{name}: the stores are away\n")
        return 1
    except (ConfigError, SpotOnError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1
    return 0
