"""Who calls: from the Authorization header, or from a WebSocket's first message.

A token is never taken from the address, where logs and histories keep it.
"""

import asyncio
import dataclasses
import json
from typing import Protocol

from aiohttp import WSMsgType, hdrs, web

from services.common.caller import Caller
from services.common.errors import Unauthenticated

FIRST_MESSAGE_S = 10.0
"""How long a WebSocket may take to say who it is, seconds."""

_SCHEME = "bearer"
_MAX_TOKEN = 16_384


class Authenticator(Protocol):
    """Knows the callers by their tokens."""

    async def authenticate(self, token: str) -> Caller:
        """Return who holds an access token, or the key of a service account.

        Raises:
            Unauthenticated: The token is unknown, expired, revoked or malformed.
            Unavailable: It cannot be checked now.
        """


class Tickets(Protocol):
    """Knows the callers by tickets that hold once, and for seconds."""

    async def redeem(self, ticket: str) -> Caller:
        """Return whom a ticket was given to, and end the ticket.

        Raises:
            Unauthenticated: The ticket is unknown, used or expired.
            Unavailable: It cannot be checked now.
        """


class NobodyKnown:
    """Refuses every token and ticket: what holds while there are no accounts."""

    async def authenticate(self, token: str) -> Caller:
        """Refuse."""
        raise Unauthenticated("no accounts are configured, so no token is valid")

    async def redeem(self, ticket: str) -> Caller:
        """Refuse."""
        raise Unauthenticated("no accounts are configured, so no ticket is valid")


AUTHENTICATOR: web.AppKey[Authenticator] = web.AppKey("authenticator", Authenticator)
TICKETS: web.AppKey[Tickets] = web.AppKey("tickets", Tickets)


async def authenticate_request(request: web.Request) -> Caller:
    """Return who sends a request.

    Raises:
        Unauthenticated: There is no valid token.
        Unavailable: It cannot be checked now.
    """
    caller = await request.config_dict[AUTHENTICATOR].authenticate(
        bearer_token(request)
    )
    return dataclasses.replace(caller, address=request.remote or "")


def bearer_token(request: web.Request) -> str:
    """Return the token of the one Authorization header.

    Raises:
        Unauthenticated: There is none, or it is malformed.
    """
    headers = request.headers.getall(hdrs.AUTHORIZATION, ())
    if not headers:
        raise Unauthenticated("an access token is needed, as 'Authorization: Bearer'")
    scheme, _, token = headers[0].partition(" ")
    token = token.strip()
    if len(headers) > 1 or scheme.lower() != _SCHEME or not token:
        raise Unauthenticated("the Authorization header must be one 'Bearer' token")
    if len(token) > _MAX_TOKEN:
        raise Unauthenticated("the access token is too long")
    return token


async def authenticate_websocket(
    request: web.Request, socket: web.WebSocketResponse
) -> Caller:
    """Return who opened a WebSocket, which was accepted already.

    Programs send the Authorization header with the opening. Browsers cannot: their
    first message is `{"access_token": "…"}` or `{"ticket": "…"}`, in text.

    Raises:
        Unauthenticated: Neither came in time, or it is not valid.
        Unavailable: It cannot be checked now.
    """
    if hdrs.AUTHORIZATION in request.headers:
        return await authenticate_request(request)
    kind, secret = await _first_message(socket)
    if kind == "ticket":
        caller = await request.config_dict[TICKETS].redeem(secret)
    else:
        caller = await request.config_dict[AUTHENTICATOR].authenticate(secret)
    return dataclasses.replace(caller, address=request.remote or "")


async def _first_message(socket: web.WebSocketResponse) -> tuple[str, str]:
    """Return what the first message holds, and its secret."""
    wanted = 'the first message must be {"access_token": "…"} or {"ticket": "…"}'
    try:
        async with asyncio.timeout(FIRST_MESSAGE_S):
            message = await socket.receive()
    except TimeoutError:
        raise Unauthenticated(f"{wanted}, within {FIRST_MESSAGE_S:.0f} s") from None
    if message.type is not WSMsgType.TEXT or len(message.data) > _MAX_TOKEN:
        raise Unauthenticated(wanted)
    try:
        said = json.loads(message.data)
    except (ValueError, RecursionError):
        raise Unauthenticated(wanted) from None
    if isinstance(said, dict) and len(said) == 1:
        ((kind, secret),) = said.items()
        if kind in ("access_token", "ticket") and isinstance(secret, str) and secret:
            return kind, secret
    raise Unauthenticated(wanted)
