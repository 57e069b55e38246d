"""Answer requests to RPCs with one answer."""

from dataclasses import dataclass

from aiohttp import web
from google.protobuf.message import Message

from services.common.caller import Caller
from services.gateway.idempotency import KeptAnswers, creation, replayable
from services.gateway.request_context import timeout_s, traceparent
from services.gateway.transcoder.admission import Visit
from services.gateway.transcoder.messages import message_to_json, off_loop
from services.gateway.transcoder.peers import Peers


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a call may take.

    Attributes:
        usual_s: When the caller does not say, seconds.
        most_s: At most, seconds.
    """

    usual_s: float
    most_s: float


class Unary:
    """Calls once and answers once."""

    def __init__(self, peers: Peers, deadlines: Deadlines, kept: KeptAnswers) -> None:
        self._peers = peers
        self._deadlines = deadlines
        self._kept = kept

    async def answer(self, visit: Visit, caller: Caller) -> web.Response:
        """Answer a visit."""
        message = await visit.admit(caller)
        limit_s = timeout_s(
            visit.request, self._deadlines.usual_s, self._deadlines.most_s
        )
        if visit.route.creates:
            wanted = creation(visit.request, caller.subject, visit.body)
            if wanted is not None:
                body, replayed = await self._kept.once(
                    wanted,
                    lambda: self._call(visit, caller, message, limit_s),
                    limit_s,
                )
                return replayable(body, replayed=replayed)
        body = await self._call(visit, caller, message, limit_s)
        return web.Response(body=body, content_type="application/json")

    async def _call(
        self, visit: Visit, caller: Caller, message: Message, limit_s: float
    ) -> bytes:
        """Return the answer of the service as JSON."""
        rpc, writer = visit.route.rpc, visit.route.requests.writer
        metadata = self._peers.metadata(
            rpc, caller, visit.request_id, visit.purpose, traceparent(visit.request)
        )
        answer = await self._peers.call(rpc, message, metadata, limit_s)
        return await off_loop(
            answer.ByteSize(), lambda: message_to_json(answer, writer)
        )
