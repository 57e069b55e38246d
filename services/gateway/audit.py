"""What the audit log keeps of a call, and the port that keeps it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One call, allowed or refused.

    Attributes:
        time: When it ended, UTC.
        subject: Id of the account that called; empty when nobody proved to be one.
        name: Name of the account.
        kind: Kind of the account, as in `CallerKind`; empty when unknown.
        action: Full name of the RPC, such as `spoton.reid.v1.ReidService.GetIdentity`.
        environment_id: Environment that it was about; empty for none.
        resource: Path that was asked for, without its query.
        purpose: Why, as the caller said; empty when they did not.
        outcome: `OK`, or the name of the status, such as `PERMISSION_DENIED`.
        address: Address that the caller came from.
        request_id: Of the request, as in its answer.
    """

    time: datetime
    subject: str
    name: str
    kind: str
    action: str
    environment_id: str
    resource: str
    purpose: str
    outcome: str
    address: str
    request_id: str


class AuditLog(Protocol):
    """Keeps entries for good."""

    async def record(self, entry: AuditEntry) -> None:
        """Keep an entry; return once it is safe.

        Raises:
            Unavailable: It cannot be kept now, and the call must not be answered.
        """
