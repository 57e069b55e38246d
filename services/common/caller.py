"""Who calls, and what they may do: the same value in every service.

The gateway makes it from an access token, the mesh from a service's token and the
signed claim of the caller on whose behalf it acts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

EVERY_ENVIRONMENT = "*"
"""Key of the grants that hold in every environment, and outside of all."""


class _EveryScope(frozenset[str]):
    """A set that holds every scope, also those that are declared later."""

    __slots__ = ()

    def __contains__(self, scope: object) -> bool:
        return isinstance(scope, str)


EVERY_SCOPE: frozenset[str] = _EveryScope()
"""Scopes of a caller who may do everything; never sent in a claim."""


class CallerKind(StrEnum):
    """What kind of account calls."""

    USER = "user"
    SERVICE_ACCOUNT = "service_account"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller.

    Attributes:
        subject: Id of the account, or name of the service; never reused.
        name: For people: the name shown in lists and the audit log.
        kind: What kind of account it is.
        grants: By environment, or `EVERY_ENVIRONMENT`: the scopes held there.
        expires_s: When this knowledge ends, seconds since 1970 UTC.
        token_id: The token's id, to revoke it; empty for services.
        address: Address that the caller came from; empty when unknown.
    """

    subject: str
    name: str
    kind: CallerKind
    grants: Mapping[str, frozenset[str]]
    expires_s: float
    token_id: str = ""
    address: str = ""

    def holds(self, scope: str, environment_id: str | None) -> bool:
        """Return whether the caller holds a scope.

        Args:
            scope: Such as `tracking:read`.
            environment_id: Where; None for a call that concerns no environment,
                which a grant in any environment allows. What such a call answers
                must be limited to `environments`.
        """
        if scope in self.grants.get(EVERY_ENVIRONMENT, ()):
            return True
        if environment_id is None:
            return any(scope in scopes for scopes in self.grants.values())
        if environment_id == EVERY_ENVIRONMENT:
            return False
        return scope in self.grants.get(environment_id, ())

    def environments(self, scope: str) -> frozenset[str] | None:
        """Return the environments in which the caller holds a scope; None is all."""
        if scope in self.grants.get(EVERY_ENVIRONMENT, ()):
            return None
        return frozenset(
            environment
            for environment, scopes in self.grants.items()
            if scope in scopes
        )
