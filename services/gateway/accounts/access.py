"""What the rest of the gateway asks of accounts: who calls, and to keep what was done.

Entries of calls through the gateway, and of calls made to its own port, go to the same
table; a call whose entry is not kept is not answered.
"""

from services.common.access_tokens import AccessTokens
from services.common.caller import Caller, CallerKind
from services.gateway.accounts.domain.audit import Actor, Event
from services.gateway.accounts.service.auditing import Auditing
from services.gateway.audit import AuditEntry


class AccountsAuthenticator:
    """Knows callers by their access tokens."""

    def __init__(self, tokens: AccessTokens) -> None:
        self._tokens = tokens

    async def authenticate(self, token: str) -> Caller:
        """Return who holds an access token.

        Raises:
            Unauthenticated: The token is unknown, expired, revoked or malformed.
            Unavailable: It cannot be checked now.
        """
        return await self._tokens.caller(token)


class StoredAudit:
    """Keeps entries of calls through the gateway."""

    def __init__(self, auditing: Auditing) -> None:
        self._auditing = auditing

    async def record(self, entry: AuditEntry) -> None:
        """Keep an entry; return once it is safe.

        Raises:
            Unavailable: It cannot be kept now, and the call must not be answered.
        """
        kind = CallerKind(entry.kind) if entry.kind else None
        await self._auditing.record(
            Event(
                time=entry.time,
                actor=Actor(entry.subject, entry.name, kind, entry.address),
                action=entry.action,
                outcome=entry.outcome,
                environment_id=entry.environment_id,
                resource=entry.resource,
                purpose=entry.purpose,
                trace_id=entry.request_id,
            )
        )
