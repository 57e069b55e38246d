"""Wrap the behaviours of our RPCs, whatever their arity."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

Behaviour = Callable[[Any, aio.ServicerContext[Any, Any]], Awaitable[Any]]
StreamBehaviour = Callable[[Any, aio.ServicerContext[Any, Any]], AsyncIterator[Any]]
Continuation = Callable[
    [grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]
]


class BehaviourInterceptor(aio.ServerInterceptor):
    """Base of interceptors that wrap what an RPC does.

    Subclasses give one wrapper for behaviours with a single answer, and one for those
    with many, which must be asynchronous generators, as ours are. Health and reflection
    are left as they are.
    """

    @abstractmethod
    def wrap_single(self, method: str, behaviour: Behaviour) -> Behaviour:
        """Return `behaviour` of `method`, which answers once, wrapped."""

    @abstractmethod
    def wrap_stream(self, method: str, behaviour: StreamBehaviour) -> StreamBehaviour:
        """Return `behaviour` of `method`, which answers many times, wrapped."""

    async def intercept_service(
        self,
        continuation: Continuation,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the handler of the call with its behaviour wrapped."""
        handler: Any = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None or not method.startswith("/spoton."):
            return handler
        wrapped = _Handler()
        wrapped.request_streaming = handler.request_streaming
        wrapped.response_streaming = handler.response_streaming
        wrapped.request_deserializer = handler.request_deserializer
        wrapped.response_serializer = handler.response_serializer
        for arity in ("unary_unary", "stream_unary"):
            if behaviour := getattr(handler, arity):
                setattr(wrapped, arity, self.wrap_single(method, behaviour))
        for arity in ("unary_stream", "stream_stream"):
            if behaviour := getattr(handler, arity):
                setattr(wrapped, arity, self.wrap_stream(method, behaviour))
        return wrapped


class _Handler(grpc.RpcMethodHandler):  # type: ignore[type-arg] # Generic in stubs only.
    """What grpc asks of a handler."""

    unary_unary: Any = None
    unary_stream: Any = None
    stream_unary: Any = None
    stream_stream: Any = None
