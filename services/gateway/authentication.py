"""Who calls: from the Authorization header, or from a WebSocket's first message.

A token is never taken from the address, where logs and histories keep it.
"""

import asyncio
import contextlib
import dataclasses
import json
import time
from collections.abc import AsyncIterator
from typing import Protocol

from aiohttp import WSMsgType, hdrs, web

from services.common.caller import Caller
from services.common.errors import Unauthenticated, Unavailable
from services.common.tasks import end_tasks
from services.gateway.limits.client_address import remote_address

FIRST_MESSAGE_S = 10.0
"""How long a WebSocket may take to say who it is, seconds."""

RECHECK_S = 10.0
"""How often the right to a long answer is checked again, seconds."""

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


class Validity(Protocol):
    """Knows whether what was proved once still holds."""

    async def check(self, caller: Caller) -> None:
        """Return if the caller may go on.

        Raises:
            Unauthenticated: The right has expired or was revoked.
            Unavailable: It cannot be checked now; the caller goes on until it can.
        """


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
    return dataclasses.replace(caller, address=remote_address(request))


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
    return dataclasses.replace(caller, address=remote_address(request))


@contextlib.asynccontextmanager
async def valid_while(caller: Caller, validity: Validity) -> AsyncIterator[None]:
    """End the block when the caller's right ends.

    Raises:
        Unauthenticated: It ended.
    """
    try:
        async with asyncio.timeout(None) as limit:
            watching = asyncio.create_task(_watch(caller, validity, limit))
            try:
                yield
            finally:
                await end_tasks(watching)
    except TimeoutError:
        if limit.expired():
            raise Unauthenticated("the right to read on has ended") from None
        raise


async def _watch(caller: Caller, validity: Validity, limit: asyncio.Timeout) -> None:
    """Let `limit` expire once the caller's right has ended."""
    while True:
        left_s = caller.expires_s - time.time()
        await asyncio.sleep(max(0.0, min(RECHECK_S, left_s)))
        try:
            await validity.check(caller)
        except Unauthenticated:
            limit.reschedule(asyncio.get_running_loop().time())
            return
        except Unavailable:
            await asyncio.sleep(RECHECK_S)


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
