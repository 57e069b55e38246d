"""What a session remembers over seeks and owners."""

from services.common.errors import NotFound
from services.common.ids import CameraId, EnvironmentId, SessionId, TimelineId, TrackId
from services.pipeline.domain.accounting import FrameResult
from services.pipeline.domain.frame_sets import FrameSetClock
from services.pipeline.domain.frames import SeekTarget, SourcePosition
from services.pipeline.domain.running import CommittedState
from services.pipeline.domain.session import Session, SessionRequest
from services.pipeline.mesh.books import SessionBooks

DOOR, HALL = CameraId("door"), CameraId("hall")
SESSION = Session(
    SessionId("s-1"),
    TimelineId("t-1"),
    SessionRequest(EnvironmentId("site"), (DOOR, HALL), recordings=True),
)


def books_after_one_set() -> SessionBooks:
    """Return books in which one frame of each camera was committed."""
    books = SessionBooks(SESSION, CommittedState())
    books.clock = FrameSetClock(0, 100)
    for camera in (DOOR, HALL):
        books.ledger[camera].receive(0)
        books.ledger[camera].process(0, FrameResult(detections=2, tracks=1))
        books.advance(camera, SourcePosition(0, 50))
        memory = books.memories[camera]
        memory.checkpoint, memory.last_track_id = b"state", 3
        memory.confirmed = {TrackId(2), TrackId(3)}
    books.frame_set, books.frame_sets = 0, 1
    return books


def test_a_successor_goes_on_from_what_was_committed() -> None:
    """Positions, checkpoints, counts, tracks and the cut of time are as before."""
    books = books_after_one_set()
    books.ledger[DOOR].receive(1)
    state = books.state_of((DOOR, HALL))
    successor = SessionBooks(SESSION, CommittedState(frame_set=0, state=state))
    assert successor.read_from(DOOR) == SourcePosition(0, 50)
    assert successor.memories[HALL].checkpoint == b"state"
    assert successor.memories[HALL].confirmed == {2, 3}
    assert successor.memories[HALL].last_track_id == 3
    assert (successor.clock, successor.frame_sets) == (books.clock, 1)
    door, hall = successor.progress().cameras
    assert (door.received, door.processed, door.in_flight) == (1, 1, 0)
    assert (hall.detections, hall.tracks) == (2, 1)


def test_a_seek_ends_tracks_and_counts_on() -> None:
    """After a seek, numbers of tracks and frame sets are not used again."""
    books = books_after_one_set()
    books.errors[DOOR] = NotFound("the recording broke off")
    state = books.seek(1_234)
    assert not books.errors
    assert books.read_from(DOOR) == SeekTarget(1_234)
    assert books.memories[DOOR].checkpoint == b""
    assert books.memories[DOOR].last_track_id == 3
    assert books.clock is not None
    assert books.clock.number(1_234) == 1
    successor = SessionBooks(SESSION, CommittedState(frame_set=0, state=state))
    assert successor.read_from(HALL) == SeekTarget(1_234)
    assert successor.clock == books.clock


def test_a_first_owner_reads_from_the_beginning() -> None:
    """With nothing committed every camera is read from its first frame."""
    books = SessionBooks(SESSION, CommittedState())
    assert books.read_from(DOOR) is None
    assert books.progress().frame_sets == 0
