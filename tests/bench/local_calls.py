"""Call servicers of this process: no channel, no server, no serialisation.

`LocalServer` takes the place of a gRPC server when servicers are added, and its stubs
that of gRPC's stubs. Messages pass by reference; everything behind the servicers and
in front of the stubs is the code of the mesh.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc
from grpc import aio

Handlers = Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]
StreamBehaviour = Callable[[AsyncIterator[Any], None], AsyncIterator[Any]]


class LocalServer:
    """Collects the RPCs that are added to it."""

    def __init__(self) -> None:
        self._services: dict[str, Handlers] = {}

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Do nothing: the same handlers are registered by name too."""

    def add_registered_method_handlers(self, service: str, handlers: Handlers) -> None:
        """Take the RPCs of a service."""
        self._services[service] = handlers

    def stub(self, service: str) -> Any:
        """Return what calls a service, with the method names of its stub."""
        return LocalStub(self._services[service])


class LocalStub:
    """Has one method for each RPC of a service."""

    def __init__(self, handlers: Handlers) -> None:
        for name, handler in handlers.items():
            setattr(self, name, _method(handler))


def _method(handler: Any) -> Callable[..., Any]:
    if handler.stream_stream is not None:
        return lambda: LocalCall(handler.stream_stream)

    async def call(request: Any, timeout: float | None = None) -> Any:
        async with asyncio.timeout(timeout):
            return await handler.unary_unary(request, None)

    return call


class LocalCall:
    """One bidirectional stream; what the client side of a call can do.

    The servicer runs in a task of its own, as it would behind a server, so that it
    goes on while the client works on an answer.
    """

    def __init__(self, behaviour: StreamBehaviour) -> None:
        self._requests: asyncio.Queue[Any] = asyncio.Queue()
        self._answers: asyncio.Queue[Any] = asyncio.Queue()
        self._task = asyncio.create_task(self._serve(behaviour))

    async def write(self, request: Any) -> None:
        """Send a message."""
        self._requests.put_nowait(request)

    async def done_writing(self) -> None:
        """Say that no message follows."""
        self._requests.put_nowait(aio.EOF)

    async def read(self) -> Any:
        """Return the next answer, or EOF after the last.

        Raises:
            Exception: What the servicer raised.
        """
        answer = await self._answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def cancel(self) -> bool:
        """End the stream at once."""
        return self._task.cancel()

    def code(self) -> Awaitable[grpc.StatusCode]:
        """Return that all is well: errors are raised by `read`."""
        return asyncio.sleep(0, grpc.StatusCode.OK)

    async def _serve(self, behaviour: StreamBehaviour) -> None:
        try:
            async for answer in behaviour(self._incoming(), None):
                self._answers.put_nowait(answer)
        except Exception as error:  # noqa: BLE001 - raised to whoever reads.
            self._answers.put_nowait(error)
        else:
            self._answers.put_nowait(aio.EOF)

    async def _incoming(self) -> AsyncIterator[Any]:
        while (request := await self._requests.get()) is not aio.EOF:
            yield request
