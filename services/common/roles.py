"""What a role may do: the one table, from which documentation and tokens follow."""

from collections.abc import Mapping
from enum import StrEnum

from services.common.caller import EVERY_ENVIRONMENT


class Role(StrEnum):
    """What a person is trusted with, in one environment or in all."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


_VIEWER = frozenset(
    {
        "analytics:read",
        "environments:read",
        "identities:read",
        "perception:read",
        "pictures:read",
        "sessions:read",
        "tracking:read",
    }
)
_OPERATOR = _VIEWER | {
    "environments:write",
    "identities:search",
    "identities:write",
    "perception:compute",
    "sessions:write",
}
INSTALLATION_SCOPES = frozenset({"accounts:read", "accounts:write", "audit:read"})
"""Scopes that concern no environment: only a grant in every environment gives them."""

PERSONAL_SCOPES = frozenset({"profile:read", "profile:write"})
"""Scopes over one's own account, which every user holds without any grant."""

SERVICE_SCOPES = frozenset({"audit:write", "credentials:read"})
"""Scopes that only services of the mesh hold, never a person or service account."""

SCOPES: Mapping[Role, frozenset[str]] = {
    Role.VIEWER: _VIEWER,
    Role.OPERATOR: _OPERATOR,
    Role.ADMIN: _OPERATOR | INSTALLATION_SCOPES,
}
"""By role: the scopes that it gives."""

ASSIGNABLE_SCOPES = frozenset[str]().union(*SCOPES.values())
"""Scopes that a service account may be given."""


def scopes_of(role: Role, environment_id: str) -> frozenset[str]:
    """Return the scopes that a role gives when granted in an environment.

    Args:
        role: The role.
        environment_id: Where it is granted; `EVERY_ENVIRONMENT` for everywhere.
    """
    if environment_id == EVERY_ENVIRONMENT:
        return SCOPES[role]
    return SCOPES[role] - INSTALLATION_SCOPES
