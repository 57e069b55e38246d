"""Serve an aiohttp application on an address, with bounds on what clients may do."""

import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

_SHUTDOWN_S = 10.0
_KEEP_ALIVE_S = 75.0


@contextlib.asynccontextmanager
async def serving(app: web.Application, listen: str) -> AsyncIterator[str]:
    """Serve while the context is open.

    Args:
        app: What to serve.
        listen: Address, `host:port`; port 0 takes a free one.

    Yields:
        The address that it took.

    Raises:
        OSError: The address cannot be had.
    """
    host, _, port = listen.rpartition(":")
    runner = web.AppRunner(
        app,
        access_log=None,
        # A client that goes away cancels the calls made for it.
        handler_cancellation=True,
        # Compressed bodies are refused, so nothing can inflate.
        auto_decompress=False,
        keepalive_timeout=_KEEP_ALIVE_S,
        shutdown_timeout=_SHUTDOWN_S,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host.strip("[]"), int(port))
        try:
            await site.start()
        except OSError as error:
            raise OSError(f"cannot listen on {listen}: {error}") from error
        bound = runner.addresses[0]
        yield f"{host}:{bound[1]}"
    finally:
        await runner.cleanup()
