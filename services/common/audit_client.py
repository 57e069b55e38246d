"""Report what direct callers do to the audit log, which the gateway keeps."""

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog
from grpc import aio
from prometheus_client import Gauge

from services.common.auditing import AuditEntry
from services.common.caller import CallerKind
from services.common.errors import Unavailable
from services.common.grpc_errors import error_from_rpc
from spoton.accounts.v1 import accounts_pb2, accounts_pb2_grpc, audit_pb2

MAX_WAITING = 1000
_BATCH = 100
_DEADLINE_S = 5.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0

_KINDS = {
    CallerKind.USER: audit_pb2.ACTOR_KIND_USER,
    CallerKind.SERVICE_ACCOUNT: audit_pb2.ACTOR_KIND_SERVICE_ACCOUNT,
    CallerKind.SERVICE: audit_pb2.ACTOR_KIND_SERVICE,
}
_WAITING = Gauge(
    "spoton_audit_entries_waiting", "Entries that the audit log has not taken yet."
)

_log = structlog.get_logger(__name__)

Append = Callable[[Sequence[audit_pb2.ReportedEntry]], Awaitable[None]]
"""Stores entries, each once however often it is reported; raises Unavailable."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """An entry on its way."""

    report: audit_pb2.ReportedEntry
    stored: "asyncio.Future[None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class ReportedAuditLog:
    """Sends entries to the gateway, in order, and keeps those that it cannot send.

    An entry that waits is sent for as long as this process lives; while any waits for
    longer than a call may take, no audited call is begun.
    """

    def __init__(self, append: Append, *, patience_s: float = _DEADLINE_S) -> None:
        """Keep the collaborators.

        Args:
            append: Stores entries.
            patience_s: How long a call waits for its entry, seconds.
        """
        self._append = append
        self._patience_s = patience_s
        self._entries: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._failing = False

    def require_ready(self) -> None:
        """Return if an entry is likely to be taken; see AuditLog."""
        if self._failing or len(self._entries) >= MAX_WAITING:
            raise Unavailable("the call must be recorded, and the audit log is away")

    async def record(self, entry: AuditEntry) -> None:
        """Return once the entry is stored; see AuditLog."""
        if len(self._entries) >= MAX_WAITING:
            raise Unavailable("too many entries wait for the audit log")
        waiting = _Waiting(_report(entry))
        self._entries.append(waiting)
        _WAITING.set(len(self._entries))
        self._arrived.set()
        try:
            async with asyncio.timeout(self._patience_s):
                await asyncio.shield(waiting.stored)
        except TimeoutError:
            raise Unavailable("the audit log did not take the entry in time") from None

    async def run(self) -> None:
        """Send entries until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            await self._arrived.wait()
            batch = [one for one, _ in zip(self._entries, range(_BATCH), strict=False)]
            try:
                await self._append([one.report for one in batch])
            except Unavailable as error:
                self._failing = True
                _log.error("the audit log is away", reason=error.message)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            self._failing, pause_s = False, _FIRST_PAUSE_S
            self._forget(batch)

    def _forget(self, stored: Sequence[_Waiting]) -> None:
        """Tell those who wait for stored entries, and forget them."""
        for one in stored:
            self._entries.popleft()
            one.stored.set_result(None)
        _WAITING.set(len(self._entries))
        if not self._entries:
            self._arrived.clear()


@contextlib.asynccontextmanager
async def reporting(channel: aio.Channel) -> AsyncIterator[ReportedAuditLog]:
    """Report to the gateway behind a channel while the context is open."""
    stub = accounts_pb2_grpc.AccountsServiceStub(channel)

    async def append(entries: Sequence[audit_pb2.ReportedEntry]) -> None:
        request = accounts_pb2.AppendAuditEntriesRequest(entries=entries)
        try:
            await stub.AppendAuditEntries(request, timeout=_DEADLINE_S)
        except aio.AioRpcError as error:
            # Also a refusal: an entry may wait, it must not be lost.
            raise Unavailable(str(error_from_rpc(error))) from error

    log = ReportedAuditLog(append)
    sending = asyncio.create_task(log.run())
    try:
        yield log
    finally:
        sending.cancel()
        await asyncio.wait([sending])


def _report(entry: AuditEntry) -> audit_pb2.ReportedEntry:
    """Return an entry on the wire, under a name of its own.

    Texts are cut to what is taken: an entry that is refused would hold up all others.
    """
    actor = entry.actor
    message = audit_pb2.AuditEntry(
        actor=audit_pb2.AuditActor(
            subject=actor.subject[:200],
            name=actor.name[:200],
            kind=_KINDS[actor.kind],
            address=actor.address[:64],
        ),
        action=entry.method.lstrip("/"),
        environment_id=entry.environment_id,
        purpose=entry.purpose[:500],
        outcome=entry.outcome,
        detail=entry.detail[:1000],
    )
    message.time.FromMicroseconds(round(entry.time_s * 1e6))
    return audit_pb2.ReportedEntry(report_id=uuid.uuid4().hex, entry=message)
