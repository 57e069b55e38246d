"""Who opens a WebSocket without a header or a ticket: its first message says so."""

import asyncio

from aiohttp import WSMsgType, web

from services.common.errors import InvalidInput, Unauthenticated
from services.gateway.authentication import FIRST_MESSAGE_S
from services.gateway.limits.admission import admit
from services.gateway.limits.policy import RouteClass
from services.gateway.live.requests import read_request
from services.gateway.live.standing import Doorkeeper, Proof
from services.gateway.live.tickets import Purpose
from spoton.live.v1 import live_pb2

_WANTED = "the first message must be access_token or ticket"


async def first_proof(
    request: web.Request,
    socket: web.WebSocketResponse,
    doorkeeper: Doorkeeper,
    purpose: Purpose,
) -> Proof:
    """Return who the first message says that it is.

    Raises:
        Unauthenticated: It came too late, or proves nothing.
        LimitReached: The caller asks too often.
        Unavailable: It cannot be checked now.
    """
    try:
        async with asyncio.timeout(FIRST_MESSAGE_S):
            message = await socket.receive()
    except TimeoutError:
        raise Unauthenticated(f"{_WANTED}, within {FIRST_MESSAGE_S:.0f} s") from None
    if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
        raise Unauthenticated(_WANTED)
    try:
        said = read_request(message)
    except InvalidInput as error:
        raise Unauthenticated(f"{_WANTED}: {error}") from None
    if said.HasField("subscribe"):
        raise Unauthenticated(_WANTED)
    proof = await proof_of(request, said, doorkeeper, purpose)
    await admit(request, proof.caller, RouteClass.STREAM)
    return proof


async def proof_of(
    request: web.Request,
    said: live_pb2.LiveRequest,
    doorkeeper: Doorkeeper,
    purpose: Purpose,
) -> Proof:
    """Return whom the token or the ticket in a message proves.

    Raises:
        Unauthenticated: It is not valid.
        Unavailable: It cannot be checked now.
    """
    if said.HasField("ticket"):
        return await doorkeeper.by_ticket(request, said.ticket, purpose)
    return await doorkeeper.by_token(request, said.access_token)
