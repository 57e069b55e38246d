"""What is known about one frame once it went through the services."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from services.common.convert import ns_to_timestamp
from services.common.ids import CameraId, SessionId
from services.pipeline.domain.frames import Frame
from spoton.common.v1 import frame_pb2, geometry_pb2
from spoton.mapper.v1 import mapper_pb2
from spoton.tracker.v1 import tracker_pb2

_PUBLISHED = (
    tracker_pb2.TRACK_STATE_CONFIRMED,
    tracker_pb2.TRACK_STATE_COASTED,
)


@dataclass(slots=True, eq=False)
class SeenFrame:
    """One frame with everything that the services said about it.

    Attributes:
        frame: The frame and its pixels.
        ref: Its name on the wire.
        detections: What the detector found outside the masks.
        found: What it found anywhere.
        result: What the tracker made of it.
        points: Where each track stands, in the order of `result.tracks`; empty when
            the camera is not calibrated.
        embeddings: Vectors computed so far, by index of the detection.
        begin_s: Monotonic time at which the frame was decoded, seconds.
    """

    frame: Frame
    ref: frame_pb2.FrameRef
    begin_s: float
    detections: Sequence[frame_pb2.Detection] = ()
    found: Sequence[frame_pb2.Detection] = ()
    result: tracker_pb2.TrackResult = field(default_factory=tracker_pb2.TrackResult)
    points: Sequence[mapper_pb2.ProjectedPoint] = ()
    embeddings: dict[int, frame_pb2.Embedding] = field(default_factory=dict)

    @property
    def camera_id(self) -> CameraId:
        """The camera."""
        return self.frame.camera_id

    @property
    def size(self) -> geometry_pb2.ImageSize:
        """Size of the full frame."""
        height, width = self.frame.pixels.shape[:2]
        return geometry_pb2.ImageSize(width=width, height=height)

    def published_tracks(
        self,
    ) -> list[tuple[tracker_pb2.Track, geometry_pb2.FloorPosition | None]]:
        """Return the tracks that are believed, each with its position if known."""
        return [
            (track, self._position(index))
            for index, track in enumerate(self.result.tracks)
            if track.state in _PUBLISHED
        ]

    def _position(self, track_index: int) -> geometry_pb2.FloorPosition | None:
        if not self.points or not self.points[track_index].HasField("position"):
            return None
        return self.points[track_index].position


def frame_ref(frame: Frame, session_id: SessionId) -> frame_pb2.FrameRef:
    """Return the name of a frame of a recording on the wire."""
    return frame_pb2.FrameRef(
        session_id=session_id,
        camera_id=frame.camera_id,
        frame_index=frame.frame_index,
        capture_time=ns_to_timestamp(frame.capture_time_ns),
        traceparent=_traceparent(frame, session_id),
        clock=frame_pb2.Clock(source=frame_pb2.CLOCK_SOURCE_FILE),
    )


def _traceparent(frame: Frame, session_id: SessionId) -> str:
    """Return a W3C trace context that is the same whenever the frame is read."""
    name = f"{session_id}/{frame.camera_id}/{frame.frame_index}".encode()
    digest = blake2b(name, digest_size=24).hexdigest()
    return f"00-{digest[:32]}-{digest[32:]}-00"
