"""What the gateway asks the pipeline for on behalf of all viewers."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from grpc import aio

from services.common.caller import EVERY_ENVIRONMENT, Caller, CallerKind
from services.common.grpc_client import open_channel
from services.common.grpc_errors import error_from_status
from services.gateway.credentials import CallCredentials, Metadata
from services.gateway.http_errors import status_from_rpc
from services.gateway.live.view import Response
from spoton.pipeline.v1 import pipeline_pb2, pipeline_pb2_grpc

if TYPE_CHECKING:  # Names that exist in the type stubs only.
    from spoton.pipeline.v1.pipeline_pb2_grpc import PipelineServiceAsyncStub

_AUDIENCE = "pipeline"
_DEADLINE_S = 5.0
_PAGE_SIZE = 100

ITSELF = Caller(
    subject="gateway",
    name="gateway",
    kind=CallerKind.SERVICE,
    grants={
        EVERY_ENVIRONMENT: frozenset(
            {"tracking:read", "sessions:read", "pictures:read"}
        )
    },
    expires_s=float("inf"),
)
"""Who reads what many viewers share: the gateway, which asks each of them itself."""


class PipelineSource:
    """Reads events, sessions and pictures as the gateway itself."""

    def __init__(self, channel: aio.Channel, credentials: CallCredentials) -> None:
        self._stub: PipelineServiceAsyncStub = pipeline_pb2_grpc.PipelineServiceStub(
            channel
        )
        self._credentials = credentials

    async def watch(
        self, request: pipeline_pb2.WatchTrackingRequest
    ) -> AsyncGenerator[Response, None]:
        """Yield an environment's events; raises one of our errors at the end."""
        call = self._stub.WatchTracking(request, metadata=self.metadata())
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
            answer = await self._stub.GetSession(
                request, metadata=self.metadata(), timeout=_DEADLINE_S
            )
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
            answer = await self._stub.ListSessions(
                request, metadata=self.metadata(), timeout=_DEADLINE_S
            )
        return list(answer.sessions)

    async def previews(
        self, address: str, request: pipeline_pb2.WatchPreviewRequest
    ) -> AsyncGenerator[pipeline_pb2.WatchPreviewResponse, None]:
        """Yield pictures from the owner of a session; ends when it lets it go.

        Raises:
            NotReady: The session is not run there.
            Unavailable: The owner is away.
        """
        async with open_channel(address) as channel:
            owner: PipelineServiceAsyncStub = pipeline_pb2_grpc.PipelineServiceStub(
                channel
            )
            with translated():
                async for response in owner.WatchPreview(
                    request, metadata=self.metadata()
                ):
                    yield response

    def metadata(self) -> Metadata:
        """Return what shows the pipeline who asks."""
        return self._credentials.metadata(_AUDIENCE, ITSELF)


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
