"""How to use SpotOn's gRPC API: import, start, watch, read.

Only `grpcio` and the client package in `protos/` are needed. Every call that fails
raises `grpc.aio.AioRpcError`, whose details are one sentence for a person.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from grpc import aio

from spoton.analytics.v1 import analytics_pb2_grpc
from spoton.common.v1 import events_pb2
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc
from spoton.pipeline.v1 import pipeline_pb2, pipeline_pb2_grpc
from spoton.reid.v1 import reid_pb2, reid_pb2_grpc

if TYPE_CHECKING:  # Names that exist in the type stubs only.
    from spoton.analytics.v1.analytics_pb2_grpc import AnalyticsServiceAsyncStub
    from spoton.mapper.v1.mapper_pb2_grpc import MapperServiceAsyncStub
    from spoton.pipeline.v1.pipeline_pb2_grpc import PipelineServiceAsyncStub
    from spoton.reid.v1.reid_pb2_grpc import ReidServiceAsyncStub

_TIMEOUT_S = 20.0
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
_POLL_S = 0.2
_SETTLE_TIMEOUT_S = 30.0
_REOPEN_AFTER_S = 0.5
_GIVE_UP_AFTER_S = 120.0
_RESUMABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
_ENDED = (
    pipeline_pb2.SESSION_STATE_COMPLETED,
    pipeline_pb2.SESSION_STATE_STOPPED,
    pipeline_pb2.SESSION_STATE_FAILED,
)
_LAST_EVENTS = (
    events_pb2.SESSION_EVENT_KIND_COMPLETED,
    events_pb2.SESSION_EVENT_KIND_STOPPED,
    events_pb2.SESSION_EVENT_KIND_FAILED,
)


@dataclass(frozen=True, slots=True)
class Mesh:
    """The services that a client of the mesh talks to."""

    mapper: "MapperServiceAsyncStub"
    pipeline: "PipelineServiceAsyncStub"
    reid: "ReidServiceAsyncStub"
    analytics: "AnalyticsServiceAsyncStub"


@dataclass(frozen=True, slots=True)
class CalibratedCamera:
    """A camera and what ties its picture to the floor."""

    camera: environment_pb2.Camera
    calibration: environment_pb2.Calibration


class _Authorized(aio.UnaryUnaryClientInterceptor):
    """Adds an access token to calls with one answer."""

    def __init__(self, access_token: Callable[[], str]) -> None:
        self._access_token = access_token

    async def intercept_unary_unary(
        self,
        continuation: Callable[[aio.ClientCallDetails, Any], Any],
        client_call_details: aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        """Make the call with the token."""
        details = _with_token(client_call_details, self._access_token())
        return await continuation(details, request)


class _AuthorizedStream(aio.UnaryStreamClientInterceptor):
    """Adds an access token to calls with many answers."""

    def __init__(self, access_token: Callable[[], str]) -> None:
        self._access_token = access_token

    async def intercept_unary_stream(
        self,
        continuation: Callable[[aio.ClientCallDetails, Any], Any],
        client_call_details: aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        """Make the call with the token."""
        details = _with_token(client_call_details, self._access_token())
        return await continuation(details, request)


def _with_token(details: aio.ClientCallDetails, token: str) -> aio.ClientCallDetails:
    """Return the details of a call with a token in its metadata."""
    metadata = aio.Metadata(
        *(details.metadata or ()), ("authorization", f"Bearer {token}")
    )
    return aio.ClientCallDetails(
        details.method,
        details.timeout,
        metadata,
        details.credentials,
        details.wait_for_ready,
    )


@asynccontextmanager
async def connected(
    addresses: Mapping[str, str], access_token: Callable[[], str]
) -> AsyncIterator[Mesh]:
    """Connect to the services while a block runs.

    Args:
        addresses: `host:port` by name of the service.
        access_token: Returns a token that is valid now; asked before each call.
    """
    interceptors = [_Authorized(access_token), _AuthorizedStream(access_token)]
    options = [("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES)]
    async with AsyncExitStack() as channels:

        async def channel(name: str) -> aio.Channel:
            opened = aio.insecure_channel(
                addresses[name], options=options, interceptors=interceptors
            )
            return await channels.enter_async_context(opened)

        yield Mesh(
            mapper=mapper_pb2_grpc.MapperServiceStub(await channel("mapper")),
            pipeline=pipeline_pb2_grpc.PipelineServiceStub(await channel("pipeline")),
            reid=reid_pb2_grpc.ReidServiceStub(await channel("reid")),
            analytics=analytics_pb2_grpc.AnalyticsServiceStub(
                await channel("analytics")
            ),
        )


async def import_environment(
    mesh: Mesh, environment_id: str, document: str
) -> mapper_pb2.ImportEnvironmentResponse:
    """Make an environment be what a document says; the same one again is no change."""
    request = mapper_pb2.ImportEnvironmentRequest(
        environment_id=environment_id, document=document
    )
    return await mesh.mapper.ImportEnvironment(request, timeout=_TIMEOUT_S)


async def import_qualisys(
    mesh: Mesh, environment_id: str, name: str, content: str
) -> list[environment_pb2.Calibration]:
    """Calibrate cameras by a file of Qualisys, and return their new calibrations.

    Args:
        mesh: Services.
        environment_id: Environment with a camera for each serial in the file.
        name: Name of the file.
        content: What is in it.
    """
    request = mapper_pb2.ImportCalibrationsRequest(
        environment_id=environment_id,
        format=mapper_pb2.CALIBRATION_FORMAT_QUALISYS,
        files=[mapper_pb2.CalibrationFile(name=name, content=content)],
    )
    imported = await mesh.mapper.ImportCalibrations(request, timeout=_TIMEOUT_S)
    return [one.calibration for one in imported.calibrations]


async def list_zones(mesh: Mesh, environment_id: str) -> list[environment_pb2.Zone]:
    """Return the zones of an environment."""
    request = mapper_pb2.ListZonesRequest(environment_id=environment_id)
    listed = await mesh.mapper.ListZones(request, timeout=_TIMEOUT_S)
    return list(listed.zones)


async def calibrated_cameras(mesh: Mesh, environment_id: str) -> list[CalibratedCamera]:
    """Return the cameras of an environment with their newest calibrations."""
    listed = await mesh.mapper.ListCameras(
        mapper_pb2.ListCamerasRequest(environment_id=environment_id),
        timeout=_TIMEOUT_S,
    )
    cameras = []
    for camera in listed.cameras:
        request = mapper_pb2.GetCalibrationRequest(
            environment_id=environment_id, camera_id=camera.camera_id
        )
        found = await mesh.mapper.GetCalibration(request, timeout=_TIMEOUT_S)
        cameras.append(CalibratedCamera(camera, found.calibration))
    return cameras


async def create_session(
    mesh: Mesh, environment_id: str, *, ignore_floor: bool
) -> pipeline_pb2.Session:
    """Start tracking with all cameras of an environment, as fast as it goes."""
    request = pipeline_pb2.CreateSessionRequest(
        environment_id=environment_id,
        evidence=reid_pb2.AssociationEvidence(ignore_floor=ignore_floor),
    )
    created = await mesh.pipeline.CreateSession(request, timeout=_TIMEOUT_S)
    return created.session


async def stop_sessions(mesh: Mesh, environment_id: str) -> list[pipeline_pb2.Session]:
    """Stop every session of an environment that still runs, and return those."""
    request = pipeline_pb2.ListSessionsRequest(environment_id=environment_id)
    listed = await mesh.pipeline.ListSessions(request, timeout=_TIMEOUT_S)
    running = [session for session in listed.sessions if session.state not in _ENDED]
    for session in running:
        stop = pipeline_pb2.StopSessionRequest(
            environment_id=environment_id, session_id=session.session_id
        )
        await mesh.pipeline.StopSession(stop, timeout=_TIMEOUT_S)
    return running


async def get_session(
    mesh: Mesh, session: pipeline_pb2.Session
) -> pipeline_pb2.Session:
    """Return a session as it is now."""
    request = pipeline_pb2.GetSessionRequest(
        environment_id=session.environment_id, session_id=session.session_id
    )
    answer = await mesh.pipeline.GetSession(request, timeout=_TIMEOUT_S)
    return answer.session


async def ended_session(
    mesh: Mesh, session: pipeline_pb2.Session
) -> pipeline_pb2.Session:
    """Return a session as its owner left it, once that is written.

    Raises:
        TimeoutError: It is not written within 30 seconds.
    """
    async with asyncio.timeout(_SETTLE_TIMEOUT_S):
        while True:
            now = await get_session(mesh, session)
            if now.state in _ENDED:
                return now
            await asyncio.sleep(_POLL_S)


async def watch(
    mesh: Mesh, session: pipeline_pb2.Session
) -> AsyncIterator[events_pb2.EnvironmentEvent]:
    """Yield every event of a session, from its first to its last.

    Nothing is left out: a stream that breaks is opened again where it broke.

    Raises:
        grpc.aio.AioRpcError: The stream cannot be had, or could not be for two
            minutes.
    """
    resume_token = ""
    heard_s = time.monotonic()
    while True:
        request = pipeline_pb2.WatchTrackingRequest(
            environment_id=session.environment_id,
            session_id=session.session_id,
            resume_token=resume_token,
            from_start=not resume_token,
            lossless=True,
        )
        try:
            async for message in mesh.pipeline.WatchTracking(request):
                resume_token = message.resume_token
                heard_s = time.monotonic()
                if message.HasField("event"):
                    yield message.event
                    if message.event.session.kind in _LAST_EVENTS:
                        return
        except aio.AioRpcError as error:
            silent_s = time.monotonic() - heard_s
            if error.code() not in _RESUMABLE or silent_s > _GIVE_UP_AFTER_S:
                raise
        await asyncio.sleep(_REOPEN_AFTER_S)


async def list_identities(
    mesh: Mesh, session: pipeline_pb2.Session
) -> list[reid_pb2.Identity]:
    """Return everybody whom a session saw, those merged into others included."""
    identities: list[reid_pb2.Identity] = []
    page_token = ""
    while True:
        request = reid_pb2.ListIdentitiesRequest(
            environment_id=session.environment_id,
            timeline_id=session.timeline_id,
            page_size=1000,
            page_token=page_token,
            include_merged=True,
        )
        page = await mesh.reid.ListIdentities(request, timeout=_TIMEOUT_S)
        identities += page.identities
        page_token = page.next_page_token
        if not page_token:
            return identities
