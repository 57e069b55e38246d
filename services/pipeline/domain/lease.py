"""The right to run a session, held by one process at a time."""

from dataclasses import dataclass

from services.common.errors import Conflict
from services.pipeline.domain.session import Session


class LeaseLost(Conflict):
    """Another owner has the session; whoever raises this must write nothing more."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A session, as its owner took it.

    Attributes:
        session: The session at that moment.
        owner: Process that holds the lease.
        epoch: Grows with every owner; every write of the session's state carries it
            and is refused once a newer one exists.
    """

    session: Session
    owner: str
    epoch: int
