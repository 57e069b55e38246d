"""How the service is reached: one stream per camera."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any

import structlog
from grpc import aio

from services.common.drain import DrainSignal
from services.common.errors import DeadlineExceeded, InvalidInput
from services.tracker.convert import description_to_proto, opening_from_proto
from services.tracker.service import TrackerService
from services.tracker.track_stream import StreamLimits, TrackStream
from spoton.tracker.v1 import tracker_pb2, tracker_pb2_grpc

SERVICE_NAME = "spoton.tracker.v1.TrackerService"

_log = structlog.get_logger(__name__)


class TrackerApi(tracker_pb2_grpc.TrackerServiceServicer):
    """Serves `spoton.tracker.v1.TrackerService`."""

    def __init__(
        self, service: TrackerService, limits: StreamLimits, drain: DrainSignal
    ) -> None:
        self._service = service
        self._limits = limits
        self._drain = drain

    async def Track(
        self,
        request_iterator: AsyncIterator[tracker_pb2.TrackRequest],
        context: aio.ServicerContext[Any, Any],
    ) -> AsyncGenerator[tracker_pb2.TrackResponse, None]:
        """Join the detections of one camera to tracks, in request order."""
        message = await self._first(request_iterator)
        opening = opening_from_proto(message)
        # The first tracker of a library imports it, and a checkpoint is large.
        tracking = await asyncio.to_thread(self._service.open, opening)
        owner = tracking.owner
        log = _log.bind(session_id=owner.session_id, camera_id=owner.camera_id)
        log.info("stream opened", continued=bool(message.checkpoint))
        stream = TrackStream(request_iterator, tracking, self._limits, self._drain)
        try:
            async with contextlib.aclosing(stream.answers()) as answers:
                async for answer in answers:
                    yield answer
        finally:
            log.info("stream ended")

    async def ListTrackers(
        self,
        request: tracker_pb2.ListTrackersRequest,
        context: aio.ServicerContext[Any, Any],
    ) -> tracker_pb2.ListTrackersResponse:
        """List the trackers that a stream may name."""
        return tracker_pb2.ListTrackersResponse(
            trackers=map(description_to_proto, self._service.descriptions()),
            default_tracker=self._service.default_tracker,
        )

    async def _first(
        self, requests: AsyncIterator[tracker_pb2.TrackRequest]
    ) -> tracker_pb2.TrackOpen:
        """Return the message that opens the stream.

        Raises:
            InvalidInput: The stream is empty or begins with something else.
            DeadlineExceeded: Nothing came in time.
        """
        try:
            async with asyncio.timeout(self._limits.opening_timeout_s):
                first = await anext(requests, None)
        except TimeoutError:
            raise DeadlineExceeded("the stream was not opened in time") from None
        if first is None or first.WhichOneof("request") != "open":
            raise InvalidInput("must be the first message", field="open")
        return first.open


def registration(
    service: TrackerService, limits: StreamLimits, drain: DrainSignal
) -> Callable[[aio.Server], Sequence[str]]:
    """Return what adds the service to a server."""

    def register(server: aio.Server) -> Sequence[str]:
        api = TrackerApi(service, limits, drain)
        tracker_pb2_grpc.add_TrackerServiceServicer_to_server(api, server)
        return (SERVICE_NAME,)

    return register
