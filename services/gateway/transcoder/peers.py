"""Call the services behind the routes, on behalf of a caller."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message
from grpc import aio

from services.common.caller import Caller
from services.gateway.credentials import CallCredentials, Metadata
from services.gateway.transcoder.api import Rpc

REQUEST_ID_KEY = "spoton-request-id"
PURPOSE_KEY = "spoton-purpose"
_TRACE_KEY = "traceparent"


class Peers:
    """The services, each by one channel.

    Attributes:
        channels: By name of the service.
        shared: By full name of an RPC: what answers its calls from what is read once
            for all; None leaves a call to the service itself.
    """

    def __init__(
        self, channels: Mapping[str, aio.Channel], credentials: CallCredentials
    ) -> None:
        self.channels = channels
        self.shared: dict[str, Callable[[Message], Any]] = {}
        self._credentials = credentials
        self._calls: dict[str, Any] = {}

    async def call(
        self, rpc: Rpc, request: Message, metadata: Metadata, timeout_s: float
    ) -> Message:
        """Return the answer of an RPC with one; cancelled when the caller is."""
        call = self._callable(rpc)
        answer: Message = await call(request, metadata=metadata, timeout=timeout_s)
        return answer

    def stream(self, rpc: Rpc, request: Message, metadata: Metadata) -> Any:
        """Return the running call of an RPC with many answers."""
        share = self.shared.get(rpc.full_name)
        call = None if share is None else share(request)
        if call is not None:
            return call
        return self._callable(rpc)(request, metadata=metadata)

    def metadata(
        self, rpc: Rpc, caller: Caller, request_id: str, purpose: str, traceparent: str
    ) -> Metadata:
        """Return what to send with a call."""
        extra: list[tuple[str, str]] = [(REQUEST_ID_KEY, request_id)]
        if purpose:
            extra.append((PURPOSE_KEY, purpose))
        if traceparent:
            extra.append((_TRACE_KEY, traceparent))
        return (*self._credentials.metadata(rpc.audience, caller), *extra)

    def _callable(self, rpc: Rpc) -> Any:
        """Return what makes calls of an RPC; made once."""
        made = self._calls.get(rpc.path)
        if made is None:
            channel = self.channels[rpc.audience]
            make = (
                channel.unary_stream if rpc.response_streaming else channel.unary_unary
            )
            made = self._calls[rpc.path] = make(
                rpc.path,
                request_serializer=rpc.request.SerializeToString,
                response_deserializer=rpc.response.FromString,
            )
        return made
