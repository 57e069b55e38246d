"""The record of one call that the protos mark as audited."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import grpc

from services.common.auditing import AuditEntry, AuditLog
from services.common.caller import Caller
from services.common.errors import InvalidInput, SpotOnError, Unavailable
from services.common.grpc_errors import code_of
from services.common.mesh.methods import MethodRule
from services.common.mesh.policy import Call

PURPOSE_KEY = "spoton-purpose"
"""Metadata in which callers say why."""


class CallAudit:
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

    async def recorded(self, answered: Callable[[], Awaitable[Any]]) -> Any:
        """Return the answer of the call once the call is recorded.

        Raises:
            InvalidInput: The caller must say why, and does not.
            Unavailable: It cannot be recorded.
        """
        try:
            self.require_possible()
            answer = await answered()
        except Exception as error:
            await self.record_failure(error)
            raise
        await self.record("OK")
        return answer

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


_running: set["asyncio.Task[Any]"] = set()


async def to_its_end(call: Coroutine[Any, Any, Any]) -> Any:
    """Return what a call answers, and go on with it when its caller goes away.

    A caller who hangs up in time would otherwise have something done that is not
    recorded.
    """
    task = asyncio.create_task(call)
    _running.add(task)
    task.add_done_callback(_forget)
    return await asyncio.shield(task)


def _forget(task: "asyncio.Task[Any]") -> None:
    _running.discard(task)
    if not task.cancelled():
        # Nobody may be left to be told.
        task.exception()
