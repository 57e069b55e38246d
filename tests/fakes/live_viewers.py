"""Events to give to viewers, and viewers who read as they like."""

from collections.abc import Iterable

from services.gateway.live.form import Form
from services.gateway.live.viewer import MOST_BACKLOG_BYTES, Viewer
from spoton.common.v1 import events_pb2
from spoton.live.v1 import live_pb2
from spoton.pipeline.v1 import pipeline_pb2

Response = pipeline_pb2.WatchTrackingResponse


def tracked(
    sequence: int,
    positions: dict[int, float],
    *,
    session_id: str = "s",
    cameras: Iterable[str] = ("north",),
    time_s: float | None = None,
) -> Response:
    """Return an update in which persons stand at places on the x axis, metres."""
    update = events_pb2.TrackingUpdate(
        session_id=session_id, timeline_id=f"t-{session_id}", frame_set=sequence
    )
    time_s = sequence * 0.1 if time_s is None else time_s
    update.capture_time.FromNanoseconds(round(time_s * 1e9))
    for camera_id in cameras:
        camera = update.cameras.add()
        camera.frame.camera_id = camera_id
        for global_id in positions:
            camera.tracks.add(track_id=global_id, global_id=global_id)
    for global_id, x_m in positions.items():
        person = update.persons.add(global_id=global_id, camera_ids=cameras)
        person.position.point.x_m = x_m
        person.position.floor_id = "ground"
    event = events_pb2.EnvironmentEvent(sequence=sequence, tracking=update)
    return Response(event=event, resume_token=f"token-{sequence}")


def happened(sequence: int, **identity: int) -> Response:
    """Return an event about an identity."""
    event = events_pb2.EnvironmentEvent(
        sequence=sequence,
        environment_id="plaza",
        identity=events_pb2.IdentityEvent(timeline_id="t-s", **identity),  # type: ignore[arg-type]
    )
    return Response(event=event, resume_token=f"token-{sequence}")


class Reader:
    """The other end of a viewer's connection.

    Attributes:
        viewer: The viewer.
        read: Messages read so far.
        sent: Frames that wait to be read.
        lost: Why the viewer was given up; empty while it was not.
    """

    def __init__(self, *, capacity: int = 8, patience_s: float = 10.0) -> None:
        self.read: list[live_pb2.LiveMessage] = []
        self.lost = ""
        self.sent: list[bytes] = []
        self._backlog = 0
        self.viewer = Viewer(
            self,
            Form.PROTOBUF,
            self._lose,
            capacity=capacity,
            patience_s=patience_s,
        )

    def write(self, frame: bytes, /) -> None:
        """Take a frame, as big as a connection's whole room."""
        self.sent.append(frame)
        self._backlog += MOST_BACKLOG_BYTES

    def backlog(self) -> int:
        """Return how much was not read."""
        return self._backlog

    def read_one(self, now_s: float) -> None:
        """Read the oldest message, if there is one, and make room for another."""
        if self.sent:
            self.read.append(unframed(self.sent.pop(0)))
            self._backlog = MOST_BACKLOG_BYTES * len(self.sent)
        self.viewer.flush(now_s)

    def read_all(self, now_s: float) -> None:
        """Read until there is nothing more."""
        while self.sent or self.viewer.waits:
            self.read_one(now_s)

    @property
    def sequences(self) -> list[int]:
        """Sequences of the events read."""
        events = (message.update.event.sequence for message in self.read)
        return [sequence for sequence in events if sequence]

    def _lose(self, error: Exception) -> None:
        self.lost = str(error)


def unframed(frame: bytes) -> live_pb2.LiveMessage:
    """Return the message in a binary WebSocket frame."""
    assert frame[0] == 0x82
    length, start = frame[1], 2
    if length == 126:
        length, start = int.from_bytes(frame[2:4]), 4
    elif length == 127:
        length, start = int.from_bytes(frame[2:10]), 10
    assert len(frame) == start + length
    return live_pb2.LiveMessage.FromString(frame[start:])
