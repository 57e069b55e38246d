"""The store that a timeline's association needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from services.common.ids import EnvironmentId, GlobalId, SessionId, TimelineId
from services.reid.domain.appearance import Prototype
from services.reid.domain.constraints import IdPair
from services.reid.domain.feedback import Carried
from services.reid.domain.live_set import Snapshot
from services.reid.domain.live_state import StoredPrototype
from services.reid.domain.person import Person
from services.reid.domain.values import IdentityChange


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write to a timeline.

    Attributes:
        environment_id: Environment of the timeline.
        timeline_id: The timeline.
        session_id: Session that writes.
        epoch: The session owner's epoch.
        writer: The stream; a later stream of the same epoch takes over.
        only_idle: Whether the timeline may only be taken while no stream holds it.
    """

    environment_id: EnvironmentId
    timeline_id: TimelineId
    session_id: SessionId
    epoch: int
    writer: UUID
    only_idle: bool = False


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer that was given.

    Attributes:
        session_id: Session that asked.
        frame_set: What it asked about.
        answer: The answer in the words it was sent in.
    """

    session_id: SessionId
    frame_set: int
    answer: bytes


@dataclass(frozen=True, slots=True)
class StoredTimeline:
    """A timeline as a store keeps it.

    Attributes:
        state: Live set without vectors; None before the first tick.
        persons: Recognisable persons who are not in `state`.
        prototypes: Prototypes of every recognisable person.
        answers: The latest answers, oldest first.
        applied: Newest command that was carried out; 0 before the first.
        apart: Persons who are different people, because an operator said so.
        went: Person that each merged identity of these went on as.
    """

    state: bytes | None
    persons: Mapping[GlobalId, Person]
    prototypes: tuple[StoredPrototype, ...]
    answers: tuple[StoredAnswer, ...]
    applied: int = 0
    apart: frozenset[IdPair] = frozenset()
    went: Mapping[GlobalId, GlobalId] = field(default_factory=dict)


@dataclass(slots=True)
class Commit:
    """What one or more ticks write, all or nothing.

    Attributes:
        after: Frame set that the store must be at; 0 for none.
        frame_set: Newest frame set of the ticks.
        time_ns: Time of its newest frame, nanoseconds since 1970 UTC.
        state: Live set after it.
        recalled: Persons in it who were long absent, and have no track yet.
        answers: Answers of the ticks, in order.
        identities: Persons to store.
        prototypes: Prototypes to store, with their person.
        forgotten: Prototypes to forget.
        events: Changes of identities, in order.
        applied: Command that the store must be at; 0 before the first.
        carried: Command that was carried out; never together with answers.
        apart: Persons who are different people now.
        joined: Persons who are not different people any more.
    """

    after: int
    frame_set: int = 0
    time_ns: int = 0
    state: bytes = b""
    recalled: tuple[GlobalId, ...] = ()
    answers: list[StoredAnswer] = field(default_factory=list)
    identities: dict[GlobalId, Snapshot] = field(default_factory=dict)
    prototypes: dict[GlobalId, tuple[GlobalId, Prototype]] = field(default_factory=dict)
    forgotten: set[GlobalId] = field(default_factory=set)
    events: list[IdentityChange] = field(default_factory=list)
    applied: int = 0
    carried: Carried | None = None
    apart: set[IdPair] = field(default_factory=set)
    joined: set[IdPair] = field(default_factory=set)


class TimelineStore(Protocol):
    """Keeps timelines. Every method is safe to repeat."""

    async def open(self, lease: Lease) -> StoredTimeline:
        """Take the timeline and return what it holds.

        Raises:
            Conflict: A newer epoch has it, or a stream, if it must be idle.
            Unavailable: The store is away.
        """

    async def commit(self, lease: Lease, commit: Commit) -> None:
        """Store what ticks changed, unless it is stored already.

        Raises:
            Conflict: Somebody else has taken the timeline.
            Unavailable: The store is away; it may or may not be stored.
        """
