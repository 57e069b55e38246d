"""How a WebSocket ends: with a code that says what happened, and for certain."""

import asyncio
import os
import socket as sockets
from http import HTTPStatus

from aiohttp import WSCloseCode, hdrs, web

from services.common.errors import SpotOnError
from services.common.grpc_errors import status_from_error
from services.gateway.http_errors import CODES, HttpProblem

STOPPING = int(WSCloseCode.GOING_AWAY)
FAULT = int(WSCloseCode.INTERNAL_ERROR)
_OURS = 4000
_LONGEST_REASON = 123
_PATIENCE_S = 2.0
_SEND_BUFFER_BYTES = 64 * 1024


def close_code(error: SpotOnError) -> int:
    """Return the code of an error: 4000 more than its HTTP status."""
    http = CODES.get(status_from_error(error).code)
    return FAULT if http is None else _OURS + http.value


def needs_upgrade() -> HttpProblem:
    """Return what a request is told that opens no WebSocket where there is one."""
    return HttpProblem(
        HTTPStatus.UPGRADE_REQUIRED,
        "this is a WebSocket",
        {hdrs.UPGRADE: "websocket", hdrs.CONNECTION: "Upgrade"},
    )


async def close_for_certain(
    socket: web.WebSocketResponse,
    transport: asyncio.WriteTransport,
    code: int,
    reason: str,
) -> None:
    """Say why a WebSocket ends, and cut it off if the peer does not take it."""
    message = reason.encode()[:_LONGEST_REASON].decode(errors="ignore").encode()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await socket.close(code=code, message=message)
    except (TimeoutError, ConnectionError):
        transport.abort()


def cut_off_later(transport: asyncio.WriteTransport) -> None:
    """End a connection that was closed, even if the peer never takes what is left."""
    transport.close()
    asyncio.get_running_loop().call_later(_PATIENCE_S, transport.abort)


def bound_send_buffer(transport: asyncio.WriteTransport) -> None:
    """Let the kernel hold little for a peer who does not read."""
    number = transport.get_extra_info("socket").fileno()
    with sockets.socket(fileno=os.dup(number)) as same:
        same.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, _SEND_BUFFER_BYTES)
