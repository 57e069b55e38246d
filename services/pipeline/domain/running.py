"""What the owner of a session and the code that runs its frames say to each other.

The owner takes the lease, claims the committed state and starts a runner. The runner
reads frames and commits frame sets, looks at its commands between two frame sets, and
returns how it ended. When the lease is lost the owner cancels it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from services.common.errors import SpotOnError
from services.common.ids import CameraId
from services.pipeline.domain.lease import Lease
from services.pipeline.domain.progress import SessionProgress
from services.pipeline.domain.session import Desired


class SessionChange(StrEnum):
    """What is published about the session itself."""

    RUNNING = "running"
    PAUSED = "paused"
    SOUGHT = "sought"
    TAKEN_OVER = "taken_over"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_last(self) -> bool:
        """Whether nothing follows it."""
        return self in (
            SessionChange.COMPLETED,
            SessionChange.STOPPED,
            SessionChange.FAILED,
        )


@dataclass(frozen=True, slots=True)
class SourceState:
    """What changes in the committed state, by camera; cameras left out stay.

    Attributes:
        positions: Where to go on reading, as the source writes it.
        checkpoints: State of the camera's tracker; empty bytes remove it.
        ledger: Counters of the session, complete; None leaves them.
        run: What else the runner needs to go on, as it writes it; None leaves it.
    """

    positions: Mapping[CameraId, bytes] = field(default_factory=dict)
    checkpoints: Mapping[CameraId, bytes] = field(default_factory=dict)
    ledger: bytes | None = None
    run: bytes | None = None


@dataclass(frozen=True, slots=True)
class FrameSetCommit:
    """Everything that one frame set changes; written all at once or not at all.

    Attributes:
        frame_set: Number of the frame set. Larger than that of the last commit.
        event: The tracking update, a serialised EnvironmentEvent without sequence.
        state: What changes with it.
    """

    frame_set: int
    event: bytes
    state: SourceState


@dataclass(frozen=True, slots=True)
class CommittedState:
    """What the last owner left.

    Attributes:
        frame_set: Last frame set committed; None before the first.
        applied_revision: Newest command whose effect is part of this state.
        state: Positions, checkpoints and counters.
        ended: How the session ended; None while it has not.
    """

    frame_set: int | None = None
    applied_revision: int = 0
    state: SourceState = field(default_factory=SourceState)
    ended: SessionChange | None = None


class SessionCommits(Protocol):
    """Writes the state of one session in the name of one lease.

    Every method waits while the store is away, until it is cancelled.
    """

    @property
    def claimed(self) -> CommittedState:
        """State that the session goes on from."""

    async def commit(self, commit: FrameSetCommit) -> int:
        """Publish a frame set together with the state that it leads to.

        Safe to repeat: a frame set that is committed already changes nothing.

        Returns:
            Sequence in the environment's event log.

        Raises:
            LeaseLost: A newer owner has claimed the session.
        """

    async def record(
        self,
        change: SessionChange,
        *,
        applied_revision: int | None = None,
        state: SourceState | None = None,
        detail: str = "",
    ) -> int:
        """Publish a change of the session together with the state that it leads to.

        Args:
            change: What happened.
            applied_revision: Command that caused it, if one did.
            state: What changes with it, such as the positions after a seek.
            detail: One sentence for a person.

        Returns:
            Sequence in the environment's event log.

        Raises:
            LeaseLost: A newer owner has claimed the session.
        """


class Commands(Protocol):
    """What the session is wanted to do, as the runner sees it."""

    @property
    def desired(self) -> Desired:
        """The newest wish."""

    @property
    def draining(self) -> bool:
        """Whether to return after the current frame set and keep all state."""

    async def changed(self, revision: int) -> None:
        """Wait until the wish is newer than `revision`, or `draining` is set."""

    def applied(self, desired: Desired) -> None:
        """Say that `desired` is carried out."""


class Ending(StrEnum):
    """Why a runner returned."""

    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    DRAINED = "drained"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a runner ended.

    Attributes:
        ending: Why it returned.
        error: What went wrong, if it failed.
    """

    ending: Ending
    error: SpotOnError | None = None


class SessionRunner(Protocol):
    """Carries the frames of one session through the mesh."""

    async def run(self, commands: Commands) -> Outcome:
        """Run until every source is at its end, or a command or an error ends it.

        A seek is due when its revision is above the claimed `applied_revision`. The
        runner records SOUGHT, PAUSED and RUNNING as it carries them out; the owner
        records the rest. Every return and every exception leaves nothing running.

        Raises:
            LeaseLost: A commit was refused.
            Unavailable: A peer stayed away; the session is tried again.
            SpotOnError: The session cannot go on and has failed.
        """

    def snapshot(self) -> SessionProgress:
        """Return the progress of this moment; callable before, during and after."""


class OpenRunner(Protocol):
    """Makes the runner of a session."""

    def __call__(self, lease: Lease, commits: SessionCommits) -> SessionRunner:
        """Return a runner that goes on from `commits.claimed`."""
