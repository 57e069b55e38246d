"""Ask a peer about one item until it can answer."""

import asyncio
from typing import Any

import structlog

from services.common.errors import DeadlineExceeded, Overloaded, Unavailable
from services.common.grpc_errors import error_from_status
from services.common.item_journal import FollowUp
from services.common.item_stream import ItemStream

_RETRY_EVERY_S = 0.5

_log = structlog.get_logger(__name__)


async def ask_patiently(
    stream: ItemStream[Any, Any], request: Any, follow_up: FollowUp | None = None
) -> Any:
    """Return the answer to one item, asking again while the peer cannot work.

    Args:
        stream: Stream of the peer.
        request: The item.
        follow_up: Returns the second request of a two-step RPC.

    Raises:
        SpotOnError: The item can never be used, or the stream ended for good.
    """
    while True:
        answer = await stream.ask(request, follow_up)
        if not answer.HasField("status"):
            return answer
        error = error_from_status(answer.status)
        if not isinstance(error, Unavailable | Overloaded | DeadlineExceeded):
            raise error
        _log.warning("asking again", peer=stream.name, cause=str(error))
        await asyncio.sleep(_RETRY_EVERY_S)
