"""Who may call what.

Every RPC states its scope and its environment in the protos. The interceptor asks a
policy who calls, enforces both, and has audited calls written down.
"""

import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import grpc
from grpc import aio

from services.common.auditing import AuditEntry, AuditLog
from services.common.caller import Caller
from services.common.errors import (
    Forbidden,
    InvalidInput,
    SpotOnError,
    Unauthenticated,
    Unavailable,
)
from services.common.grpc_errors import code_of
from services.common.interception import (
    Behaviour,
    BehaviourInterceptor,
    StreamBehaviour,
)
from services.common.mesh.methods import MethodRule, rule_of
from services.common.mesh.policy import Admission, Call, Policy

Context = aio.ServicerContext[Any, Any]

PURPOSE_KEY = "spoton-purpose"
"""Metadata in which callers say why."""

_CALLER: ContextVar[Caller] = ContextVar("spoton_caller")


def current_caller() -> Caller:
    """Return who makes the call that is being answered.

    Raises:
        LookupError: No call is being answered.
    """
    return _CALLER.get()


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
                return await behaviour(_guarded(request, rule, caller), context)
            if not (admission.direct and rule.audited):
                require_held(rule, caller, request)
                return await behaviour(request, context)
            audit = _Audit(self._audit_log, rule, call, caller, request)
            try:
                audit.require_possible()
                require_held(rule, caller, request)
                answer = await behaviour(request, context)
            except Exception as error:
                await audit.record_failure(error)
                raise
            await audit.record("OK")
            return answer

        return checked

    def wrap_stream(self, method: str, behaviour: StreamBehaviour) -> StreamBehaviour:
        """Put the checks in front of a behaviour with many answers."""

        async def opened(request: Any, context: Context) -> AsyncIterator[Any]:
            rule = rule_of(method)
            admission, call = await self._admit(rule, context)
            caller = admission.caller
            if rule.client_streaming:
                request = _guarded(request, rule, caller)
            elif admission.direct and rule.audited:
                await self._open_audited(rule, call, caller, request)
            else:
                require_held(rule, caller, request)
            answers = behaviour(request, context)
            return answers if caller.expires_s == math.inf else _valid(answers, caller)

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
        audit = _Audit(self._audit_log, rule, call, caller, request)
        try:
            audit.require_possible()
            require_held(rule, caller, request)
        except SpotOnError as error:
            await audit.record_failure(error)
            raise
        await audit.record("OK")


def require_somewhere(rule: MethodRule, caller: Caller) -> None:
    """Return if the caller holds the scope in any environment.

    Raises:
        Forbidden: It does not.
    """
    if not caller.holds(rule.scope, None):
        raise Forbidden(f"you lack the scope {rule.scope}")


def _guarded(
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


async def _valid(answers: AsyncIterator[Any], caller: Caller) -> AsyncIterator[Any]:
    """Yield answers until the caller's token is over."""
    async for answer in answers:
        _require_valid(caller)
        yield answer


class _Audit:
    """The record of one call."""

    def __init__(
        self,
        audit_log: AuditLog | None,
        rule: MethodRule,
        call: Call,
        caller: Caller,
        request: Any,
    ) -> None:
        self._audit_log = audit_log
        self._rule = rule
        self._caller = caller
        path = rule.environment_path
        self._environment_id = (rule.environment_of(request) or "") if path else ""
        self._purpose = call.only(PURPOSE_KEY)

    def require_possible(self) -> None:
        """Return if the call may be made as far as its record is concerned.

        Raises:
            InvalidInput: The caller must say why, and does not.
            Unavailable: It could not be recorded.
        """
        if self._rule.purpose_required and not self._purpose.strip():
            raise InvalidInput("say why you call, in this metadata", field=PURPOSE_KEY)
        if self._audit_log is None:
            raise Unavailable("the call must be recorded, and there is no audit log")
        self._audit_log.require_ready()

    async def record(self, outcome: str, detail: str = "") -> None:
        """Return once the call is recorded.

        Raises:
            Unavailable: It is not.
        """
        if self._audit_log is not None:
            entry = AuditEntry(
                time_s=time.time(),
                actor=self._caller,
                method=self._rule.method,
                environment_id=self._environment_id,
                purpose=self._purpose,
                outcome=outcome,
                detail=detail,
            )
            await self._audit_log.record(entry)

    async def record_failure(self, error: Exception) -> None:
        """Record a call that failed; what it failed with matters more than a record."""
        code, detail = grpc.StatusCode.INTERNAL, ""
        if isinstance(error, SpotOnError):
            code, detail = code_of(error), str(error)
        try:
            await self.record(code.name, detail)
        except Unavailable:
            # It waits in the queue, and the caller learns why the call failed.
            return


def _require_valid(caller: Caller) -> None:
    if time.time() >= caller.expires_s:
        raise Unauthenticated("the access token is over; open the stream again")


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
