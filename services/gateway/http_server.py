"""Serve an aiohttp application on an address, with bounds on what clients may do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from services.gateway.http_errors import HttpProblem, problem_response
from services.gateway.request_context import add_safe_headers, new_request_id

HEADERS_S = 10.0
"""How long the head of a request may take, seconds: a slow one is cut off."""

_SHUTDOWN_S = 10.0
_KEEP_ALIVE_S = 75.0
_MAX_FIELD_BYTES = 16_384
_MAX_HEADERS = 64

_log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def serving(
    app: web.Application, listen: str, *, headers_s: float = HEADERS_S
) -> AsyncIterator[str]:
    """Serve while the context is open.

    Args:
        app: What to serve.
        listen: Address, `host:port`; port 0 takes a free one.
        headers_s: How long the head of a request may take, seconds.

    Yields:
        The address that it took.

    Raises:
        OSError: The address cannot be had.
    """
    host, _, port = listen.rpartition(":")
    runner = _Runner(app, headers_s)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host.strip("[]"), int(port))
        try:
            await site.start()
        except OSError as error:
            raise OSError(f"cannot listen on {listen}: {error}") from error
        yield f"{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class _Connection(RequestHandler):
    """A connection whose requests must begin in time, and whose errors are problems."""

    def __init__(self, server: web.Server, headers_s: float, **kwargs: Any) -> None:
        super().__init__(server, **kwargs)
        self._headers_s = headers_s
        self._impatience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop waiting."""
        super().connection_lost(exc)
        self._calm()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head that has begun, but not for ever."""
        super().data_received(data)
        if self._between_requests():
            self._watch()
        else:
            self._calm()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or what the application let through."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun before it failed")
        request_id = new_request_id()
        error: Exception = HttpProblem(
            HTTPStatus.BAD_REQUEST, "the request is not well-formed HTTP"
        )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            error = exc if isinstance(exc, Exception) else RuntimeError(message)
        response = problem_response(error, request_id)
        add_safe_headers(response, request_id)
        response.force_close()
        return response

    def _between_requests(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _watch(self) -> None:
        if self._impatience is None:
            loop = asyncio.get_running_loop()
            self._impatience = loop.call_later(self._headers_s, self._cut_off)

    def _calm(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None

    def _cut_off(self) -> None:
        self._impatience = None
        self.force_close()


class _Server(web.Server):
    """Makes the connections."""

    headers_s = HEADERS_S

    def __call__(self) -> RequestHandler:
        """Return what serves a new connection."""
        return _Connection(self, self.headers_s, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    """Runs an application on our connections."""

    __slots__ = ("_headers_s",)

    def __init__(self, app: web.Application, headers_s: float) -> None:
        super().__init__(
            app,
            access_log=None,
            # A client that goes away cancels the calls made for it.
            handler_cancellation=True,
            # Compressed bodies are refused, so nothing can inflate.
            auto_decompress=False,
            keepalive_timeout=_KEEP_ALIVE_S,
            shutdown_timeout=_SHUTDOWN_S,
            max_field_size=_MAX_FIELD_BYTES,
            max_headers=_MAX_HEADERS,
        )
        self._headers_s = headers_s

    async def _make_server(self) -> web.Server:
        """Return the application's server, making connections of ours."""
        server = await super()._make_server()
        server.__class__ = _Server
        server.headers_s = self._headers_s  # type: ignore[attr-defined] # It is ours.
        return server
