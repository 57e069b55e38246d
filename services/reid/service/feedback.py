"""Take what operators say, and see that it is carried out."""

import asyncio
from collections.abc import Callable
from uuid import uuid4

from services.common.errors import Conflict, DeadlineExceeded
from services.common.ids import EnvironmentId
from services.reid.domain.feedback import Command, Effect
from services.reid.observe import FEEDBACK
from services.reid.service.commands import CommandDesk, Ticket
from services.reid.service.timeline_store import Lease
from services.reid.service.timeline_writer import AssociationMaker, TimelineWriter

_LOOK_EVERY_S = 0.05


class FeedbackService:
    """Hands commands to the writer of the timeline, or stands in where none is."""

    def __init__(
        self,
        desk: CommandDesk,
        make_writer: Callable[[Lease], TimelineWriter],
        make_association: AssociationMaker,
        *,
        patience_s: float,
    ) -> None:
        """Take what it works with.

        Args:
            desk: Keeps commands.
            make_writer: Returns a writer of a timeline.
            make_association: Returns what holds its live set.
            patience_s: How long a session may take to come to a command, seconds.
        """
        self._desk = desk
        self._make_writer = make_writer
        self._make_association = make_association
        self._patience_s = patience_s

    async def carry_out(
        self, environment_id: EnvironmentId, command: Command
    ) -> Effect:
        """Return what a command changed, once it has.

        Raises:
            NotFound: A person or a track does not exist.
            InvalidInput: It contradicts what cameras saw, or earlier feedback.
            DeadlineExceeded: The session that holds the timeline did not come to it.
            Unavailable: The database is away.
        """
        ticket = await self._desk.submit(environment_id, command)
        try:
            async with asyncio.timeout(self._patience_s):
                effect = await self._carried(ticket)
        except TimeoutError as error:
            FEEDBACK.labels("late").inc()
            raise DeadlineExceeded(
                "the session that holds the timeline has not come to it yet; it will "
                "be carried out when it does"
            ) from error
        FEEDBACK.labels("carried_out").inc()
        return effect

    async def _carried(self, ticket: Ticket) -> Effect:
        """Wait for the outcome, carrying it out where nobody else will."""
        while True:
            carried = await self._desk.outcome(ticket)
            if carried is not None and carried.error is not None:
                FEEDBACK.labels("refused").inc()
                raise carried.error
            if carried is not None and carried.effect is not None:
                return carried.effect
            lease = await self._desk.idle_lease(ticket, uuid4())
            if lease is None or not await self._stood_in(lease):
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _stood_in(self, lease: Lease) -> bool:
        """Carry out what waits in a timeline that nobody holds.

        Returns:
            False if somebody took the timeline meanwhile.
        """
        writer = self._make_writer(lease)
        try:
            await writer.open(self._make_association)
            await writer.take_commands()
            await writer.release()
        except Conflict:
            return False
        finally:
            await writer.leave()
        return True
