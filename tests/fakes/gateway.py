"""Who calls the gateway in tests, and what it recorded."""

import time
from collections.abc import Mapping

from services.common.caller import Caller, CallerKind
from services.common.errors import Unauthenticated
from services.gateway.audit import AuditEntry
from services.gateway.credentials import Metadata


def caller(name: str, grants: Mapping[str, frozenset[str]]) -> Caller:
    """Return a user with grants, whom nobody revokes."""
    return Caller(
        subject=f"user-{name}",
        name=name,
        kind=CallerKind.USER,
        grants=grants,
        expires_s=4e9,
    )


class KnownCallers:
    """Knows callers by tokens, and by tickets, which hold once."""

    def __init__(self, tokens: Mapping[str, Caller]) -> None:
        self.tokens = dict(tokens)
        self.tickets: dict[str, Caller] = {}
        self.revoked: set[str] = set()

    async def authenticate(self, token: str) -> Caller:
        if token not in self.tokens:
            raise Unauthenticated("the token is unknown")
        return self.tokens[token]

    async def redeem(self, ticket: str) -> Caller:
        if ticket not in self.tickets:
            raise Unauthenticated("the ticket is unknown")
        return self.tickets.pop(ticket)

    async def check(self, caller: Caller) -> None:
        if caller.subject in self.revoked or time.time() >= caller.expires_s:
            raise Unauthenticated("the right was revoked")


class ShownCaller:
    """Shows the caller and the audience to the service, unsigned."""

    def metadata(self, audience: str, caller: Caller) -> Metadata:
        return (("test-audience", audience), ("test-subject", caller.subject))


class KeptAudit:
    """Keeps entries in a list."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    async def record(self, entry: AuditEntry) -> None:
        self.entries.append(entry)
