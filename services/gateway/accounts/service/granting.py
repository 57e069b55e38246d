"""Nobody gives, or takes from others, more than they hold themselves."""

from collections.abc import Mapping

from services.common.caller import Caller
from services.common.errors import Forbidden


def require_holds(caller: Caller, grants: Mapping[str, frozenset[str]]) -> None:
    """Return if a caller holds everything that an account is given, or has.

    Raises:
        Forbidden: The caller lacks a scope.
    """
    for environment_id, scopes in sorted(grants.items()):
        for scope in sorted(scopes):
            if not caller.holds(scope, environment_id):
                raise Forbidden(
                    f"you lack the scope {scope} in {environment_id!r}, which the "
                    "account has or would have"
                )
