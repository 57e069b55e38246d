"""What the service does: follow the people of one camera, frame by frame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.common.errors import InvalidInput, NotReady
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
from services.tracker.domain.tracker import (
    Proposal,
    Tracker,
    TrackerDescription,
    TrackerSettings,
)

TrackerFactory = Callable[[TrackerSettings], Tracker]
_TRACKER_FIELD = "open.tracker"
_ANY_CAMERA = TrackerSettings((1920, 1080), 0.5, 0.1, 1.0, embeddings_available=True)


@dataclass(frozen=True, slots=True)
class TrackerKind:
    """A tracker that streams may choose.

    Attributes:
        description: What is said about it.
        build: Returns one for a camera; raises NotReady where that cannot be.
        slow_from: Detections from which a step may take milliseconds.
    """

    description: TrackerDescription
    build: TrackerFactory
    slow_from: int


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
    """Opens cameras with one of the trackers that it knows.

    Args:
        trackers: Those that are installed, by name.
        missing: How to install each of the others.
        default_tracker: Tracker of streams that name none.
        coast_s: How long a track goes on without a detection, seconds.
        checkpoint_interval: Frames between checkpoints when a stream names none.
    """

    def __init__(
        self,
        trackers: Mapping[str, TrackerKind],
        missing: Mapping[str, str],
        *,
        default_tracker: str,
        coast_s: float,
        checkpoint_interval: int,
    ) -> None:
        self._trackers = trackers
        self._missing = missing
        self.default_tracker = default_tracker
        self._coast_s = coast_s
        self._checkpoint_interval = checkpoint_interval

    def require_default(self) -> None:
        """Return if the default tracker can be built.

        Raises:
            NotReady: It cannot; says why.
        """
        self._built(self.default_tracker, _ANY_CAMERA)

    def descriptions(self) -> list[TrackerDescription]:
        """Return what is said about the trackers that are installed, by name."""
        return [self._trackers[name].description for name in sorted(self._trackers)]

    def open(self, opening: Opening) -> "CameraTracking":
        """Return the tracking of one camera, begun or continued.

        Raises:
            InvalidInput: The tracker is unknown, or the checkpoint is not this
                camera's.
            NotReady: The tracker is not installed, or lacks what it needs.
        """
        name = opening.tracker or self.default_tracker
        settings = TrackerSettings(
            frame_size_px=opening.frame_size_px,
            high_score=opening.high_score,
            low_score=opening.low_score,
            coast_s=self._coast_s,
            embeddings_available=opening.embeddings_available,
            first_track_id=opening.first_track_id,
        )
        tracker = self._built(name, settings)
        owner = Owner(
            opening.environment_id, opening.session_id, opening.camera_id, name
        )
        order = _continued(tracker, opening.checkpoint, owner)
        interval = opening.checkpoint_interval or self._checkpoint_interval
        return CameraTracking(
            tracker,
            owner,
            order,
            opening.frame_size_px,
            interval,
            slow_from=self._trackers[name].slow_from,
        )

    def _built(self, name: str, settings: TrackerSettings) -> Tracker:
        """Return a new tracker of a name."""
        known = ", ".join(sorted(self._trackers))
        if name in self._missing:
            raise NotReady(
                f"{name} is not installed here ({self._missing[name]}); "
                f"available: {known}",
                field=_TRACKER_FIELD,
            )
        if name not in self._trackers:
            raise InvalidInput(f"must be one of {known}", field=_TRACKER_FIELD)
        try:
            return self._trackers[name].build(settings)
        except NotReady as error:
            raise NotReady(f"{name} {error.message}", field=_TRACKER_FIELD) from None


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
        *,
        slow_from: int,
    ) -> None:
        self.owner = owner
        self.slow_from = slow_from
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
