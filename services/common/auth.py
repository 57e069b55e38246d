"""Who may call what.

Every RPC states its scope and its environment in the protos. The interceptor asks a
policy who calls, enforces both, and has audited calls written down.
"""

import math
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from grpc import aio

from services.common.auditing import AuditLog
from services.common.call_audit import CallAudit, to_its_end
from services.common.caller import Caller
from services.common.errors import SpotOnError
from services.common.held_scopes import (
    answers_while_valid,
    messages_inside,
    require_held,
    require_somewhere,
)
from services.common.interception import (
    Behaviour,
    BehaviourInterceptor,
    StreamBehaviour,
)
from services.common.mesh.methods import MethodRule, rule_of
from services.common.mesh.policy import Admission, Call, Policy

Context = aio.ServicerContext[Any, Any]

_CALLER: ContextVar[Caller] = ContextVar("spoton_caller")


def current_caller() -> Caller:
    """Return who makes the call that is being answered.

    Raises:
        LookupError: No call is being answered.
    """
    return _CALLER.get()


class ScopeInterceptor(BehaviourInterceptor):
    """Refuses calls whose scope the caller lacks in the environment they are about.

    It must come after the error interceptor, which translates what it raises.
    """

    def __init__(self, policy: Policy, audit_log: AuditLog | None = None) -> None:
        """Keep the collaborators.

        Args:
            policy: Finds out who calls.
            audit_log: Where audited calls of direct callers are recorded; None refuses
                them.
        """
        self._policy = policy
        self._audit_log = audit_log

    def wrap_single(self, method: str, behaviour: Behaviour) -> Behaviour:
        """Put the checks in front of a behaviour with one answer."""

        async def checked(request: Any, context: Context) -> Any:
            rule = rule_of(method)
            admission, call = await self._admit(rule, context)
            caller = admission.caller
            if rule.client_streaming:
                return await behaviour(messages_inside(request, rule, caller), context)
            if not (admission.direct and rule.audited):
                require_held(rule, caller, request)
                return await behaviour(request, context)
            audit = CallAudit(self._audit_log, rule, call, caller, request)

            async def answered() -> Any:
                require_held(rule, caller, request)
                return await behaviour(request, context)

            return await to_its_end(audit.recorded(answered))

        return checked

    def wrap_stream(self, method: str, behaviour: StreamBehaviour) -> StreamBehaviour:
        """Put the checks in front of a behaviour with many answers."""

        async def opened(request: Any, context: Context) -> AsyncIterator[Any]:
            rule = rule_of(method)
            admission, call = await self._admit(rule, context)
            caller = admission.caller
            if rule.client_streaming:
                request = messages_inside(request, rule, caller)
            elif admission.direct and rule.audited:
                await self._open_audited(rule, call, caller, request)
            else:
                require_held(rule, caller, request)
            answers = behaviour(request, context)
            return (
                answers
                if caller.expires_s == math.inf
                else answers_while_valid(answers, caller)
            )

        return lambda request, context: _Answers(opened(request, context))

    async def _admit(
        self, rule: MethodRule, context: Context
    ) -> tuple[Admission, Call]:
        """Return who calls, and remember it for the servicer."""
        call = _call(rule, context)
        admission = await self._policy.admit(call)
        if rule.client_streaming or not rule.environment_path:
            require_somewhere(rule, admission.caller)
        _CALLER.set(admission.caller)
        return admission, call

    async def _open_audited(
        self, rule: MethodRule, call: Call, caller: Caller, request: Any
    ) -> None:
        """Check a stream that is recorded, and record it before its first answer."""
        audit = CallAudit(self._audit_log, rule, call, caller, request)
        try:
            audit.require_possible()
            require_held(rule, caller, request)
        except SpotOnError as error:
            await audit.record_failure(error)
            raise
        await audit.record("OK")


class _Answers(AsyncIterator[Any]):
    """The answers of a stream that is yet to be opened.

    Once it is, the awaitables are the stream's own: nothing is between it and whoever
    reads.
    """

    def __init__(self, opened: Awaitable[AsyncIterator[Any]]) -> None:
        self._opened = opened
        self._next: Callable[[], Awaitable[Any]] = self._first

    def __anext__(self) -> Awaitable[Any]:
        return self._next()

    async def _first(self) -> Any:
        answers = await self._opened
        self._next = aiter(answers).__anext__
        return await self._next()


def _call(rule: MethodRule, context: Context) -> Call:
    """Return what is known of a call."""
    metadata: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for key, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            metadata[key] += (value,)
    names = context.auth_context().get("x509_subject_alternative_name", ())
    return Call(
        rule,
        context.peer(),
        metadata,
        frozenset(name.decode("utf-8", "replace") for name in names),
    )
