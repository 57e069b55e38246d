"""The table of roles covers what the protos ask for."""

from services.common import roles
from services.common.roles import Role
from services.gateway.transcoder.api import shipped_api


def test_every_scope_of_the_protos_is_somebodys() -> None:
    """Each RPC can be called by a role, by everybody about themselves, or a service."""
    known = roles.ASSIGNABLE_SCOPES | roles.PERSONAL_SCOPES | roles.SERVICE_SCOPES
    assert {rpc.required_scope for rpc in shipped_api().rpcs} <= known


def test_each_role_holds_what_the_one_before_does() -> None:
    """Viewer, operator, admin."""
    viewer, operator, admin = (roles.SCOPES[role] for role in Role)
    assert viewer < operator < admin
