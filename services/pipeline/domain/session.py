"""A tracking session: what was asked for, what is wanted now, and where it stands."""

from dataclasses import dataclass, field
from enum import StrEnum

from services.common.errors import NotReady, SpotOnError
from services.common.ids import CameraId, EnvironmentId, SessionId, TimelineId
from services.pipeline.domain.progress import SessionProgress


class SessionState(StrEnum):
    """Where a session stands."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def has_ended(self) -> bool:
        """Whether nothing can happen to the session any more."""
        return self in (
            SessionState.COMPLETED,
            SessionState.STOPPED,
            SessionState.FAILED,
        )


class Mode(StrEnum):
    """What the session's commands want it to do."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast recordings are read.

    Attributes:
        speed: Multiple of the speed at which they were taken, range (0, 16]; None
            means as fast as they can be processed.
    """

    speed: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What identities may be decided by."""

    ignore_floor: bool = False
    ignore_appearance: bool = False


@dataclass(frozen=True, slots=True)
class Perception:
    """Which models and which tracker look at the cameras.

    Attributes:
        detector_model_id: Model that finds people; empty for the detector's default.
        embedder_model_id: Model that describes what they look like; empty for the
            default of `reid`.
        tracker: Tracker of each camera; empty for the tracker's default.
    """

    detector_model_id: str = ""
    embedder_model_id: str = ""
    tracker: str = ""

    def or_else(self, other: "Perception") -> "Perception":
        """Return this choice, with another's where it makes none.

        >>> Perception(tracker="native").or_else(Perception("yolox-s", tracker="x"))
        Perception(detector_model_id='yolox-s', embedder_model_id='', tracker='native')
        """
        return Perception(
            self.detector_model_id or other.detector_model_id,
            self.embedder_model_id or other.embedder_model_id,
            self.tracker or other.tracker,
        )


@dataclass(frozen=True, slots=True)
class Creator:
    """Who created a session.

    Attributes:
        subject: Id of the account, or name of the service; empty when not known.
        name: For people, as it was then.
    """

    subject: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Seek:
    """A wish to go on from another place in the recordings.

    Attributes:
        revision: Revision of the command. Done when the applied one reaches it.
        position_ns: Capture time to go on from, nanoseconds since 1970 UTC.
    """

    revision: int
    position_ns: int


@dataclass(frozen=True, slots=True)
class Desired:
    """The sum of all commands to a session.

    Attributes:
        revision: Number of the newest command; 0 before the first.
        mode: Whether to run, stand still or end.
        pace: How fast to read.
        seek: The newest seek, carried out or not.
    """

    revision: int = 0
    mode: Mode = Mode.RUNNING
    pace: Pace = field(default_factory=Pace)
    seek: Seek | None = None


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What a session was created with; never changes.

    Attributes:
        environment_id: Environment to track in.
        camera_ids: Cameras, in the order of their names. Never empty.
        recordings: Whether all of them are recordings.
        pace: First pace.
        evidence: Evidence for identities.
        perception: Models and tracker, as the session or its environment chose them.
        frame_set_rate_hz: Frame sets per second; None means the fastest camera's rate.
        late_tolerance_s: How long a frame set of live cameras waits for the slowest;
            None means two intervals.
        request_id: Chosen by the caller to make creation repeatable; may be empty.
        creator: Who created it.
    """

    environment_id: EnvironmentId
    camera_ids: tuple[CameraId, ...]
    recordings: bool
    pace: Pace = field(default_factory=Pace)
    evidence: Evidence = field(default_factory=Evidence)
    perception: Perception = field(default_factory=Perception)
    frame_set_rate_hz: float | None = None
    late_tolerance_s: float | None = None
    request_id: str = ""
    creator: Creator = field(default_factory=Creator)


@dataclass(frozen=True, slots=True)
class SessionScope:
    """What events are about that are about one session or its identities."""

    session_id: SessionId
    timeline_id: TimelineId


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it is stored.

    Attributes:
        session_id: Name, chosen by us.
        timeline_id: Scope of its identities.
        request: What it was created with.
        desired: What its commands want.
        applied_revision: Newest command that the owner has carried out.
        state: Where it stands.
        epoch: Times it has changed owner, the first included.
        owner: Process that owns it; empty when none does.
        owner_address: Where that process answers, `host:port`; empty when none does.
        error: Why it failed; None unless it did.
        progress: Written by the owner about once a second; None before the first.
        create_time_ns: When it was created, nanoseconds since 1970 UTC.
        update_time_ns: When it was last written, nanoseconds since 1970 UTC.
    """

    session_id: SessionId
    timeline_id: TimelineId
    request: SessionRequest
    desired: Desired = field(default_factory=Desired)
    applied_revision: int = 0
    state: SessionState = SessionState.PENDING
    epoch: int = 0
    owner: str = ""
    owner_address: str = ""
    error: SpotOnError | None = None
    progress: SessionProgress | None = None
    create_time_ns: int = 0
    update_time_ns: int = 0


def require_commandable(session: Session) -> None:
    """Refuse commands to a session that will not carry them out.

    Raises:
        NotReady: The session has ended or is about to.
    """
    if session.state.has_ended:
        raise NotReady(f"session {session.session_id} has ended, it is {session.state}")
    if session.desired.mode is Mode.STOPPED:
        raise NotReady(f"session {session.session_id} is being stopped")
