"""One Project stream: each frame located or refused on its own."""

from datetime import timedelta

from prometheus_client import Counter

from services.common.errors import InvalidInput, SpotOnError
from services.common.grpc_errors import status_from_error
from services.common.ids import require_resource_id
from services.common.tracing import span
from services.mapper.convert.projection import foot_points_from_proto, located_to_proto
from services.mapper.service.projection import Projection
from spoton.common.v1 import stream_pb2
from spoton.mapper.v1 import mapper_pb2

WINDOW = 32
"""Frames that a client may have unanswered."""

POINTS = Counter(
    "spoton_mapper_points_total", "Foot points answered on streams.", ("located",)
)
REFUSED = Counter(
    "spoton_mapper_frames_refused_total", "Frames answered with a status.", ("error",)
)


class ProjectStream:
    """Answers the frames of one stream, all of one environment."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._environment_id = ""

    def opening(self, window: int) -> mapper_pb2.ProjectResponse:
        """Return the message that announces the credit window."""
        return mapper_pb2.ProjectResponse(
            window=stream_pb2.CreditWindow(max_in_flight=window)
        )

    async def answer(
        self, request: mapper_pb2.ProjectRequest
    ) -> mapper_pb2.ProjectResponse:
        """Return the frame's points on the floor.

        Raises:
            SpotOnError: The frame cannot be located.
        """
        environment_id = self._environment_of(request)
        for name in ("session_id", "camera_id"):
            if not getattr(request.frame, name):
                raise InvalidInput("must not be empty", field=f"frame.{name}")
        feet = foot_points_from_proto(request.foot_points)
        camera_id = request.frame.camera_id
        with span("mapper.project", request.frame.traceparent):
            located = await self._projection.project(environment_id, camera_id, feet)
        points = located_to_proto(located)
        found = int(located.positions.located.sum())
        POINTS.labels("yes").inc(found)
        POINTS.labels("no").inc(len(points) - found)
        return mapper_pb2.ProjectResponse(
            frame=request.frame, result=mapper_pb2.ProjectResult(points=points)
        )

    def refusal(
        self, request: mapper_pb2.ProjectRequest, error: SpotOnError
    ) -> mapper_pb2.ProjectResponse:
        """Return the message that tells why a frame was not located."""
        REFUSED.labels(type(error).__name__).inc()
        return mapper_pb2.ProjectResponse(
            frame=request.frame, status=status_from_error(error)
        )

    def draining(self, grace_s: float) -> mapper_pb2.ProjectResponse:
        """Return the message that asks the client to reopen."""
        drain = stream_pb2.Drain()
        drain.grace.FromTimedelta(timedelta(seconds=grace_s))
        return mapper_pb2.ProjectResponse(drain=drain)

    def _environment_of(self, request: mapper_pb2.ProjectRequest) -> str:
        """Return the stream's environment, which the first message names."""
        stated = request.environment_id
        if not self._environment_id:
            self._environment_id = require_resource_id(stated, "environment_id")
        if stated not in ("", self._environment_id):
            message = f"the stream is about {self._environment_id!r}"
            raise InvalidInput(message, field="environment_id")
        return self._environment_id
