"""WebSockets as this gateway opens, feeds and closes them."""

import asyncio
import contextlib
import weakref
from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import WSCloseCode, WSMsgType, hdrs, web
from google.rpc import status_pb2

from services.common.errors import InvalidInput
from services.gateway.cors import require_known_origin
from services.gateway.http_errors import http_status

PING_S = 20.0
"""How often a silent client is asked whether it is there, seconds."""
SEND_S = 30.0
"""How long a client may take for one message before it is cut off, seconds."""
FAILURES = 4000
"""A socket that ends by a failure is closed with this plus the HTTP status."""

_MAX_MESSAGE = 64 * 1024
_MAX_REASON = 123

OPEN: web.AppKey["weakref.WeakSet[web.WebSocketResponse]"] = web.AppKey(
    "open_sockets", weakref.WeakSet
)


def wants_socket(request: web.Request) -> bool:
    """Return whether a request asks to become a WebSocket."""
    return request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"


def new_socket(request: web.Request, protocols: Sequence[str]) -> web.WebSocketResponse:
    """Return a socket to prepare, which speaks one of `protocols`, the first if asked.

    Raises:
        Forbidden: A page of a foreign origin opens it.
        InvalidInput: The client speaks other protocols only.
    """
    require_known_origin(request)
    offered = [
        name.strip()
        for line in request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, ())
        for name in line.split(",")
    ]
    if offered and not set(offered) & set(protocols):
        raise InvalidInput(
            f"must name one of {', '.join(protocols)}",
            field=str(hdrs.SEC_WEBSOCKET_PROTOCOL),
        )
    socket = web.WebSocketResponse(
        protocols=protocols,
        heartbeat=PING_S,
        compress=False,
        max_msg_size=_MAX_MESSAGE,
    )
    request.config_dict[OPEN].add(socket)
    return socket


async def until_closed(socket: web.WebSocketResponse) -> None:
    """Return when the client closes the socket.

    Raises:
        InvalidInput: It says something, which nobody asked for.
    """
    message = await socket.receive()
    if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
        raise InvalidInput("nothing is to be sent on this socket")


async def send(
    request: web.Request, socket: web.WebSocketResponse, message: bytes | str
) -> None:
    """Send a message, in text if it is a text.

    Raises:
        ConnectionError: The client is gone, or did not take the message in time.
    """
    try:
        async with asyncio.timeout(SEND_S):
            if isinstance(message, str):
                await socket.send_str(message)
            else:
                await socket.send_bytes(message)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionError("the client reads too slowly") from None


async def close_failed(
    socket: web.WebSocketResponse, status: status_pb2.Status
) -> None:
    """Close a socket with the reason why it cannot go on."""
    reason = status.message.encode()[:_MAX_REASON]
    await _close(socket, FAILURES + http_status(status), reason)


async def close_all(app: web.Application) -> None:
    """Close every open socket, because the gateway stops."""
    sockets = app[OPEN]
    closing = [_close(each, WSCloseCode.GOING_AWAY, b"restarting") for each in sockets]
    await asyncio.gather(*closing)


async def _close(
    socket: web.WebSocketResponse, code: int | HTTPStatus, reason: bytes
) -> None:
    # A cut character is no UTF-8, which a close frame must be.
    text = reason.decode(errors="ignore").encode()
    with contextlib.suppress(ConnectionError, RuntimeError):
        await socket.close(code=int(code), message=text)
