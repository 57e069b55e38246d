"""What the gateway asks the pipeline for on behalf of all viewers."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from grpc import aio

from services.common.grpc_errors import error_from_status
from services.gateway.http_errors import status_from_rpc
from services.gateway.live.view import Response
from spoton.pipeline.v1 import pipeline_pb2, pipeline_pb2_grpc

if TYPE_CHECKING:  # Names that exist in the type stubs only.
    from spoton.pipeline.v1.pipeline_pb2_grpc import PipelineServiceAsyncStub

_DEADLINE_S = 5.0
_PAGE_SIZE = 100

OpenPipeline = Callable[[str], aio.Channel]
"""Opens a channel to a pipeline, whose calls prove that the gateway makes them."""


class PipelineSource:
    """Reads events, sessions and pictures as the gateway itself.

    Many viewers share what it reads; the gateway asks each what they may see.
    """

    def __init__(self, open_channel: OpenPipeline, address: str) -> None:
        self._open_channel = open_channel
        self._channel = open_channel(address)
        self._stub: PipelineServiceAsyncStub = pipeline_pb2_grpc.PipelineServiceStub(
            self._channel
        )

    async def close(self) -> None:
        """End all calls."""
        await self._channel.close()

    async def watch(
        self, request: pipeline_pb2.WatchTrackingRequest
    ) -> AsyncGenerator[Response, None]:
        """Yield an environment's events; raises one of our errors at the end."""
        call = self._stub.WatchTracking(request)
        try:
            with translated():
                async for response in call:
                    yield response
        finally:
            call.cancel()

    async def session(
        self, environment_id: str, session_id: str
    ) -> pipeline_pb2.Session:
        """Return a session.

        Raises:
            NotFound: The environment has no such session.
            Unavailable: The pipeline is away.
        """
        request = pipeline_pb2.GetSessionRequest(
            environment_id=environment_id, session_id=session_id
        )
        with translated():
            answer = await self._stub.GetSession(request, timeout=_DEADLINE_S)
        return answer.session

    async def newest_sessions(self, environment_id: str) -> list[pipeline_pb2.Session]:
        """Return the newest sessions of an environment, newest first.

        Raises:
            NotFound: There is no such environment.
            Unavailable: The pipeline is away.
        """
        request = pipeline_pb2.ListSessionsRequest(
            environment_id=environment_id, page_size=_PAGE_SIZE
        )
        with translated():
            answer = await self._stub.ListSessions(request, timeout=_DEADLINE_S)
        return list(answer.sessions)

    async def previews(
        self, address: str, request: pipeline_pb2.WatchPreviewRequest
    ) -> AsyncGenerator[pipeline_pb2.WatchPreviewResponse, None]:
        """Yield pictures from the owner of a session; ends when it lets it go.

        Raises:
            NotReady: The session is not run there.
            Unavailable: The owner is away.
        """
        async with self._open_channel(address) as channel:
            owner: PipelineServiceAsyncStub = pipeline_pb2_grpc.PipelineServiceStub(
                channel
            )
            with translated():
                async for response in owner.WatchPreview(request):
                    yield response


@contextmanager
def translated() -> Iterator[None]:
    """Raise our error for a failed call, without what names addresses.

    Raises:
        SpotOnError: A call failed.
    """
    try:
        yield
    except aio.AioRpcError as error:
        raise error_from_status(status_from_rpc(error)) from error
