"""What the rest of the gateway asks of accounts: who calls, and to keep what was done.

Entries of calls through the gateway, and of calls made to its own port, go to the same
table; a call whose entry is not kept is not answered.
"""

import time
from datetime import UTC, datetime

from services.common.access_tokens import AccessTokens
from services.common.auditing import AuditEntry as OwnCallEntry
from services.common.caller import Caller, CallerKind
from services.common.errors import Unauthenticated
from services.common.revocations import RedisRevocations
from services.gateway.accounts.domain.audit import Actor, Event, actor_of
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


class AccountsValidity:
    """Knows whether callers who were let in may stay."""

    def __init__(self, revocations: RedisRevocations) -> None:
        self._revocations = revocations

    async def check(self, caller: Caller) -> None:
        """Return if a caller may go on.

        Raises:
            Unauthenticated: The token that the caller came with is over or revoked.
            Unavailable: It cannot be checked now.
        """
        if time.time() >= caller.expires_s:
            raise Unauthenticated("the access token has expired")
        if await self._revocations.covers_caller(caller):
            raise Unauthenticated("the access token was revoked")


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


class OwnCallsAudit:
    """Keeps entries of calls that were made to the gateway's own port."""

    def __init__(self, auditing: Auditing) -> None:
        self._auditing = auditing

    def require_ready(self) -> None:
        """Return: whether an entry is taken shows when it is written."""

    async def record(self, entry: OwnCallEntry) -> None:
        """Keep an entry; return once it is safe.

        Raises:
            Unavailable: It cannot be kept now.
        """
        await self._auditing.record(
            Event(
                time=datetime.fromtimestamp(entry.time_s, UTC),
                actor=actor_of(entry.actor),
                action=entry.method.lstrip("/"),
                outcome=entry.outcome,
                environment_id=entry.environment_id,
                purpose=entry.purpose,
                detail=entry.detail,
            )
        )
