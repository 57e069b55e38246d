"""Whether a caller holds the scope of an RPC, where its requests say it acts."""

import math
import time
from collections.abc import AsyncIterator
from typing import Any

from services.common.caller import Caller
from services.common.errors import Forbidden, InvalidInput, Unauthenticated
from services.common.mesh.methods import MethodRule


def require_held(rule: MethodRule, caller: Caller, request: Any) -> str:
    """Return the environment that a request is about; empty when it is about none.

    Raises:
        InvalidInput: It names no environment, and the caller has no right in all.
        Forbidden: The caller lacks the scope there.
    """
    if not rule.environment_path:
        if not caller.holds(rule.scope, None):
            raise Forbidden(f"you lack the scope {rule.scope}")
        return ""
    environment_id = rule.environment_of(request) or ""
    if not environment_id and caller.environments(rule.scope) is not None:
        raise InvalidInput("is required", field=".".join(rule.environment_path))
    if not caller.holds(rule.scope, environment_id):
        raise Forbidden(f"you lack the scope {rule.scope} in this environment")
    return environment_id


def require_somewhere(rule: MethodRule, caller: Caller) -> None:
    """Return if the caller holds the scope in any environment.

    Raises:
        Forbidden: It does not.
    """
    if not caller.holds(rule.scope, None):
        raise Forbidden(f"you lack the scope {rule.scope}")


def messages_inside(
    messages: AsyncIterator[Any], rule: MethodRule, caller: Caller
) -> AsyncIterator[Any]:
    """Return the messages of a stream, checked if there is anything to check."""
    anywhere = not rule.environment_path or caller.environments(rule.scope) is None
    if anywhere and caller.expires_s == math.inf:
        return messages
    return _Inside(messages, rule, caller)


class _Inside(AsyncIterator[Any]):
    """The messages of a stream, none of which is about where the caller has no right.

    That all are about the same environment is for the service to see: it answers a
    message that is not, and the stream goes on.
    """

    def __init__(
        self, messages: AsyncIterator[Any], rule: MethodRule, caller: Caller
    ) -> None:
        self._next = aiter(messages).__anext__
        self._rule = rule
        self._caller = caller
        self._endless = caller.expires_s == math.inf
        self._environment_id: str | None = None

    def __aiter__(self) -> "_Inside":
        return self

    async def __anext__(self) -> Any:
        message = await self._next()
        if not self._endless:
            _require_valid(self._caller)
        if self._rule.environment_path:
            self._require_inside(message)
        return message

    def _require_inside(self, message: Any) -> None:
        if not self._environment_id:
            self._environment_id = require_held(self._rule, self._caller, message)
            return
        named = self._rule.environment_of(message)
        if named and named != self._environment_id:
            require_held(self._rule, self._caller, message)


async def answers_while_valid(
    answers: AsyncIterator[Any], caller: Caller
) -> AsyncIterator[Any]:
    """Yield answers until the caller's token is over.

    Raises:
        Unauthenticated: It is.
    """
    async for answer in answers:
        _require_valid(caller)
        yield answer


def _require_valid(caller: Caller) -> None:
    if time.time() >= caller.expires_s:
        raise Unauthenticated("the access token is over; open the stream again")
