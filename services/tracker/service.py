"""What the service does: follow the people of one camera, frame by frame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.common.errors import InvalidInput
from services.tracker.domain.appearance import NO_VECTORS, Vectors
from services.tracker.domain.checkpoint import (
    FIELD,
    Checkpoint,
    Owner,
    pack_checkpoint,
    unpack_checkpoint,
)
from services.tracker.domain.frame import Detections, FrameTracks, require_usable
from services.tracker.domain.frame_order import FrameOrder
from services.tracker.domain.tracker import Proposal, Tracker, TrackerSettings

TrackerFactory = Callable[[TrackerSettings], Tracker]


@dataclass(frozen=True, slots=True)
class Opening:
    """What a client says about a camera.

    Attributes:
        environment_id: Environment of the camera.
        session_id: Session that the tracks belong to.
        camera_id: Camera that the frames come from.
        frame_size_px: Width and height of the full frame.
        high_score: Score from which a detection may begin a track.
        low_score: Score below which a detection is ignored.
        checkpoint: State to continue from; empty to begin anew.
        checkpoint_interval: Frames between checkpoints; 0 for the default.
        embeddings_available: Whether appearance can be asked for.
        first_track_id: Number of the first track when there is no checkpoint.
        tracker: Name of the tracker; empty for the default.
    """

    environment_id: str
    session_id: str
    camera_id: str
    frame_size_px: tuple[int, int]
    high_score: float
    low_score: float
    checkpoint: bytes
    checkpoint_interval: int
    embeddings_available: bool
    first_track_id: int
    tracker: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known after a frame.

    Attributes:
        tracks: The frame's tracks.
        checkpoint: State after the frame; empty between checkpoints.
    """

    tracks: FrameTracks
    checkpoint: bytes


class TrackerService:
    """Opens cameras with one of the trackers that it knows."""

    def __init__(
        self,
        trackers: Mapping[str, TrackerFactory],
        *,
        default_tracker: str,
        coast_s: float,
        checkpoint_interval: int,
    ) -> None:
        self._trackers = trackers
        self._default_tracker = default_tracker
        self._coast_s = coast_s
        self._checkpoint_interval = checkpoint_interval

    def open(self, opening: Opening) -> "CameraTracking":
        """Return the tracking of one camera, begun or continued.

        Raises:
            InvalidInput: The tracker is unknown, or the checkpoint is not this
                camera's.
        """
        name = opening.tracker or self._default_tracker
        factory = self._trackers.get(name)
        if factory is None:
            known = ", ".join(self._trackers)
            raise InvalidInput(f"must be one of {known}", field="open.tracker")
        tracker = factory(
            TrackerSettings(
                frame_size_px=opening.frame_size_px,
                high_score=opening.high_score,
                low_score=opening.low_score,
                coast_s=self._coast_s,
                embeddings_available=opening.embeddings_available,
                first_track_id=opening.first_track_id,
            )
        )
        owner = Owner(
            opening.environment_id, opening.session_id, opening.camera_id, name
        )
        order = _continued(tracker, opening.checkpoint, owner)
        interval = opening.checkpoint_interval or self._checkpoint_interval
        return CameraTracking(tracker, owner, order, opening.frame_size_px, interval)


def _continued(tracker: Tracker, packed: bytes, owner: Owner) -> FrameOrder:
    """Return which frame comes next, once the tracker took over a checkpoint."""
    if not packed:
        return FrameOrder()
    checkpoint = unpack_checkpoint(packed, owner)
    try:
        tracker.load(checkpoint.tracker_state)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=FIELD) from None
    return checkpoint.order


class CameraTracking:
    """One camera's tracks over time.

    Every frame is begun and then settled. A frame that raises in either is as if it had
    never come.
    """

    def __init__(
        self,
        tracker: Tracker,
        owner: Owner,
        order: FrameOrder,
        frame_size_px: tuple[int, int],
        checkpoint_interval: int,
    ) -> None:
        self.owner = owner
        self._tracker = tracker
        self._order = order
        self._frame_size_px = frame_size_px
        self._checkpoint_interval = checkpoint_interval
        self._since_checkpoint = 0

    def begin(self, detections: Detections) -> Proposal:
        """Return how to take the next frame.

        Raises:
            Conflict: The frame is not later than the one before.
            InvalidInput: The frame is far ahead, or a detection cannot be used.
        """
        self._order.require_next(detections.time_ns)
        require_usable(detections, self._frame_size_px)
        return self._tracker.propose(detections)

    def settle(
        self,
        detections: Detections,
        frame_index: int,
        proposal: Proposal,
        vectors: Vectors = NO_VECTORS,
    ) -> Answer:
        """Take a frame and return its tracks.

        Args:
            detections: The frame that was begun.
            frame_index: Its position in the source.
            proposal: What `begin` returned for it.
            vectors: Of any of the wanted detections, also of none.

        Raises:
            InvalidInput: The vectors do not go with those before.
        """
        tracks = proposal.settle(vectors)
        self._order.note_used(detections.time_ns, frame_index)
        self._since_checkpoint += 1
        if self._since_checkpoint < self._checkpoint_interval:
            return Answer(tracks, b"")
        return Answer(tracks, self.checkpoint())

    def checkpoint(self) -> bytes:
        """Return the state after the last frame."""
        self._since_checkpoint = 0
        dump = self._tracker.dump()
        return pack_checkpoint(Checkpoint(self.owner, self._order, dump))
