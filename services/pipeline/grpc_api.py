"""The service on the wire: convert, call, convert."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from grpc import aio

from services.common.auth import current_caller
from services.common.convert import ns_from_timestamp
from services.common.errors import InvalidInput
from services.common.ids import EnvironmentId, SessionId
from services.pipeline.convert import (
    environment_id_from_proto,
    new_session_from_proto,
    pace_from_proto,
    session_to_proto,
)
from services.pipeline.domain.session import Creator
from services.pipeline.preview_watch import PreviewWatch
from services.pipeline.service import SessionService
from services.pipeline.watch import TrackingWatch
from spoton.pipeline.v1 import pipeline_pb2, pipeline_pb2_grpc

Context = aio.ServicerContext[Any, Any]
_SERVICE = pipeline_pb2.DESCRIPTOR.services_by_name["PipelineService"].full_name

_NamesSession = (
    pipeline_pb2.GetSessionRequest
    | pipeline_pb2.PauseSessionRequest
    | pipeline_pb2.ResumeSessionRequest
    | pipeline_pb2.SeekSessionRequest
    | pipeline_pb2.SetSessionPaceRequest
    | pipeline_pb2.StopSessionRequest
)


class PipelineServicer(pipeline_pb2_grpc.PipelineServiceServicer):
    """Answers the RPCs of the pipeline service."""

    def __init__(
        self, sessions: SessionService, watch: TrackingWatch, previews: PreviewWatch
    ) -> None:
        self._sessions = sessions
        self._watch = watch
        self._previews = previews

    async def CreateSession(
        self, request: pipeline_pb2.CreateSessionRequest, _context: Context
    ) -> pipeline_pb2.CreateSessionResponse:
        """Start tracking in an environment."""
        caller = current_caller()
        creator = Creator(caller.subject, caller.name)
        new = new_session_from_proto(request, creator)
        session = await self._sessions.create(new)
        return pipeline_pb2.CreateSessionResponse(session=session_to_proto(session))

    async def GetSession(
        self, request: pipeline_pb2.GetSessionRequest, _context: Context
    ) -> pipeline_pb2.GetSessionResponse:
        """Read a session with its progress."""
        session = await self._sessions.get(*_named(request))
        return pipeline_pb2.GetSessionResponse(session=session_to_proto(session))

    async def ListSessions(
        self, request: pipeline_pb2.ListSessionsRequest, _context: Context
    ) -> pipeline_pb2.ListSessionsResponse:
        """List the sessions of an environment, newest first."""
        sessions, next_page_token = await self._sessions.list(
            environment_id_from_proto(request.environment_id),
            request.page_size,
            request.page_token,
            request.creator_subject,
        )
        return pipeline_pb2.ListSessionsResponse(
            sessions=[session_to_proto(session) for session in sessions],
            next_page_token=next_page_token,
        )

    async def PauseSession(
        self, request: pipeline_pb2.PauseSessionRequest, _context: Context
    ) -> pipeline_pb2.PauseSessionResponse:
        """Let a session stand still."""
        session = await self._sessions.pause(*_named(request))
        return pipeline_pb2.PauseSessionResponse(session=session_to_proto(session))

    async def ResumeSession(
        self, request: pipeline_pb2.ResumeSessionRequest, _context: Context
    ) -> pipeline_pb2.ResumeSessionResponse:
        """Let a paused session go on."""
        session = await self._sessions.resume(*_named(request))
        return pipeline_pb2.ResumeSessionResponse(session=session_to_proto(session))

    async def SeekSession(
        self, request: pipeline_pb2.SeekSessionRequest, _context: Context
    ) -> pipeline_pb2.SeekSessionResponse:
        """Move a session over recordings to another position."""
        if not request.HasField("position"):
            raise InvalidInput("is required", field="position")
        position_ns = ns_from_timestamp(request.position)
        session = await self._sessions.seek(*_named(request), position_ns)
        return pipeline_pb2.SeekSessionResponse(session=session_to_proto(session))

    async def SetSessionPace(
        self, request: pipeline_pb2.SetSessionPaceRequest, _context: Context
    ) -> pipeline_pb2.SetSessionPaceResponse:
        """Change how fast recordings are read."""
        if not request.HasField("pace"):
            raise InvalidInput("is required", field="pace")
        pace = pace_from_proto(request.pace)
        session = await self._sessions.set_pace(*_named(request), pace)
        return pipeline_pb2.SetSessionPaceResponse(session=session_to_proto(session))

    async def StopSession(
        self, request: pipeline_pb2.StopSessionRequest, _context: Context
    ) -> pipeline_pb2.StopSessionResponse:
        """End a session."""
        session = await self._sessions.stop(*_named(request))
        return pipeline_pb2.StopSessionResponse(session=session_to_proto(session))

    async def WatchTracking(
        self, request: pipeline_pb2.WatchTrackingRequest, _context: Context
    ) -> AsyncIterator[pipeline_pb2.WatchTrackingResponse]:
        """Stream the events of an environment."""
        async for response in self._watch.responses(request):
            yield response

    async def WatchPreview(
        self, request: pipeline_pb2.WatchPreviewRequest, _context: Context
    ) -> AsyncIterator[pipeline_pb2.WatchPreviewResponse]:
        """Stream pictures of a session's cameras."""
        async for response in self._previews.responses(request):
            yield response


def register(servicer: PipelineServicer, server: aio.Server) -> Sequence[str]:
    """Add the servicer to a server and return the name of its service."""
    pipeline_pb2_grpc.add_PipelineServiceServicer_to_server(servicer, server)
    return (_SERVICE,)


def _named(request: _NamesSession) -> tuple[EnvironmentId, SessionId]:
    """Return the session that a request names.

    Raises:
        InvalidInput: It names none.
    """
    if not request.session_id:
        raise InvalidInput("is required", field="session_id")
    environment_id = environment_id_from_proto(request.environment_id)
    return environment_id, SessionId(request.session_id)
