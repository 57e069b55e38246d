"""One running call with many answers, told as JSON or as protobuf."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf.message import Message

from services.common.caller import Caller
from services.gateway.request_context import traceparent
from services.gateway.transcoder.admission import Visit
from services.gateway.transcoder.peers import Peers


@asynccontextmanager
async def running_call(
    peers: Peers, visit: Visit, caller: Caller, message: Message
) -> AsyncIterator[Any]:
    """Give the answers of a call, which is cancelled when the context ends."""
    metadata = peers.metadata(
        visit.route.rpc,
        caller,
        visit.request_id,
        visit.purpose,
        traceparent(visit.request),
    )
    call = peers.stream(visit.route.rpc, message, metadata)
    try:
        yield call
    finally:
        call.cancel()
