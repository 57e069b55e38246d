"""What is written down about calls that the protos mark as audited."""

from dataclasses import dataclass
from typing import Protocol

from services.common.caller import Caller


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One call, allowed or refused.

    Attributes:
        time_s: When it ended, seconds since 1970 UTC.
        actor: Who called.
        method: Path of the call.
        environment_id: Where; empty when it concerned no environment.
        purpose: Why, as the caller said; may be empty.
        outcome: Name of its gRPC status, such as `OK` or `PERMISSION_DENIED`.
        detail: Why it was refused; empty when it was not.
    """

    time_s: float
    actor: Caller
    method: str
    environment_id: str
    purpose: str
    outcome: str
    detail: str = ""


class AuditLog(Protocol):
    """Keeps entries for good."""

    def require_ready(self) -> None:
        """Return if an entry is likely to be taken, before anything is done.

        Raises:
            Unavailable: Entries wait to be taken; nothing more may happen now.
        """

    async def record(self, entry: AuditEntry) -> None:
        """Return once the entry is stored.

        Raises:
            Unavailable: It is not yet; it is tried again later.
        """
