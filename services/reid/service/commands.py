"""How what operators say reaches the one writer of a timeline."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from services.common.ids import EnvironmentId, GlobalId, TimelineId
from services.reid.domain.feedback import Carried, Command, Named
from services.reid.domain.person import Person
from services.reid.service.timeline_store import Lease


@dataclass(frozen=True, slots=True)
class Ticket:
    """A command that was handed in.

    Attributes:
        environment_id: Environment of the timeline.
        timeline_id: Timeline that it is about.
        revision: Its number there.
    """

    environment_id: EnvironmentId
    timeline_id: TimelineId
    revision: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A command that waits to be carried out.

    Attributes:
        revision: Its number in the timeline.
        command: What was said.
    """

    revision: int
    command: Command


class CommandInbox(Protocol):
    """What the writer of a timeline reads. Every method is safe to repeat."""

    async def hold(self, lease: Lease) -> bool:
        """Say that the writer is there for the next seconds.

        Returns:
            Whether commands wait for it.

        Raises:
            Unavailable: The database is away.
        """

    async def release(self, lease: Lease) -> None:
        """Say that the writer has left, unless another has taken its place.

        Raises:
            Unavailable: The database is away.
        """

    async def waiting(self, lease: Lease) -> Sequence[Waiting]:
        """Return the commands that wait, in the order in which they came.

        Raises:
            Unavailable: The database is away.
        """

    async def named(
        self, lease: Lease, command: Command, known: Collection[GlobalId]
    ) -> tuple[Named, Mapping[GlobalId, Person]]:
        """Return whom a command names, and those of them who are not known.

        Args:
            lease: The timeline; all that was decided is stored.
            command: What was said.
            known: Persons of the live set.

        Raises:
            NotFound: There is no such person in the timeline.
            Unavailable: The database is away.
        """


class CommandDesk(Protocol):
    """Where commands are handed in."""

    async def submit(self, environment_id: EnvironmentId, command: Command) -> Ticket:
        """Keep a command for the timeline of the person that it names.

        Raises:
            NotFound: There is no such person.
            InvalidInput: The persons are of different timelines.
            Unavailable: The database is away.
        """

    async def outcome(self, ticket: Ticket) -> Carried | None:
        """Return what became of a command; None while it waits.

        Raises:
            Unavailable: The database is away.
        """

    async def idle_lease(self, ticket: Ticket, writer: UUID) -> Lease | None:
        """Return a right to write to the timeline, if nobody holds it now.

        Raises:
            Unavailable: The database is away.
        """
