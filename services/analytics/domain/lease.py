"""The right to store an environment's history, held by one process at a time."""

from dataclasses import dataclass

from services.common.errors import Conflict
from services.common.ids import EnvironmentId


class LeaseLost(Conflict):
    """Another owner has the environment; what was not stored is its task."""


@dataclass(frozen=True, slots=True)
class Lease:
    """An environment, as its owner took it.

    Attributes:
        environment_id: The environment.
        number: Of the environment among all, the high part of its stays' ids.
        owner: Process that holds the lease.
        epoch: Grows with every owner; a transaction of an older one is refused.
    """

    environment_id: EnvironmentId
    number: int
    owner: str
    epoch: int
