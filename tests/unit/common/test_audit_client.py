"""Entries on their way to the audit log."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from services.common.audit_client import MAX_WAITING, ReportedAuditLog
from services.common.auditing import AuditEntry
from services.common.caller import EVERY_ENVIRONMENT
from services.common.errors import Unavailable
from spoton.accounts.v1 import audit_pb2
from tests.fakes.mesh import user

ENTRY = AuditEntry(
    time_s=1_700_000_000.25,
    actor=user({EVERY_ENVIRONMENT: {"identities:search"}}),
    method="/spoton.reid.v1.ReidService/SearchIdentities",
    environment_id="plaza",
    purpose="a lost child",
    outcome="OK",
)


class Gateway:
    """Takes entries while it is there."""

    def __init__(self) -> None:
        self.there = asyncio.Event()
        self.away = False
        self.taken: list[audit_pb2.ReportedEntry] = []

    async def append(self, entries: Sequence[audit_pb2.ReportedEntry]) -> None:
        if self.away:
            raise Unavailable("gone")
        await self.there.wait()
        self.taken += entries


@contextlib.asynccontextmanager
async def running(
    gateway: Gateway, patience_s: float
) -> AsyncIterator[ReportedAuditLog]:
    """Send entries to a gateway."""
    log = ReportedAuditLog(gateway.append, patience_s=patience_s)
    sending = asyncio.create_task(log.run())
    try:
        yield log
    finally:
        sending.cancel()
        await asyncio.wait([sending])


async def test_an_entry_tells_who_did_what_and_why() -> None:
    """It is stored before the call that it is about is answered."""
    gateway = Gateway()
    gateway.there.set()
    async with running(gateway, 5.0) as log:
        await log.record(ENTRY)
    (report,) = gateway.taken
    assert len(report.report_id) == 32
    entry = report.entry
    assert entry.action == "spoton.reid.v1.ReidService/SearchIdentities"
    assert (entry.actor.subject, entry.actor.name) == ("u-1", "name of u-1")
    assert entry.actor.kind == audit_pb2.ACTOR_KIND_USER
    assert entry.actor.address == "192.0.2.7"
    assert (entry.environment_id, entry.purpose, entry.outcome) == (
        "plaza",
        "a lost child",
        "OK",
    )
    assert entry.time.ToNanoseconds() == 1_700_000_000_250_000_000


async def test_texts_are_cut_to_what_is_taken() -> None:
    """No entry is refused for its length, which would hold up all others."""
    gateway = Gateway()
    gateway.there.set()
    long = replace(ENTRY, purpose="p" * 9999, detail="d" * 9999)
    async with running(gateway, 5.0) as log:
        await log.record(long)
    entry = gateway.taken[0].entry
    assert (len(entry.purpose), len(entry.detail)) == (500, 1000)


async def test_a_call_fails_when_its_entry_is_not_taken_in_time() -> None:
    """The entry is not lost: it is taken when the gateway is there again."""
    gateway = Gateway()
    async with running(gateway, 0.05) as log:
        with pytest.raises(Unavailable):
            await log.record(ENTRY)
        gateway.there.set()
        async with asyncio.timeout(10):
            while not gateway.taken:
                await asyncio.sleep(0.01)
        log.require_ready()
    assert len(gateway.taken) == 1


async def test_nothing_audited_begins_while_the_gateway_is_away() -> None:
    """Once it is back, what waited is sent once each and in order."""
    gateway = Gateway()
    gateway.away = True
    gateway.there.set()
    async with running(gateway, 0.05) as log:
        log.require_ready()
        with pytest.raises(Unavailable):
            await log.record(replace(ENTRY, purpose="first"))
        with pytest.raises(Unavailable):
            log.require_ready()
        with pytest.raises(Unavailable):
            await log.record(replace(ENTRY, purpose="second"))
        gateway.away = False
        async with asyncio.timeout(10):
            while len(gateway.taken) < 2:
                await asyncio.sleep(0.01)
        log.require_ready()
    assert [one.entry.purpose for one in gateway.taken] == ["first", "second"]


async def test_what_waits_is_bounded() -> None:
    """Beyond the bound calls fail at once, and memory does not grow."""
    gateway = Gateway()
    async with running(gateway, 0.01) as log:
        waits = [log.record(ENTRY) for _ in range(MAX_WAITING)]
        await asyncio.gather(*waits, return_exceptions=True)
        with pytest.raises(Unavailable, match="too many"):
            await log.record(ENTRY)
        with pytest.raises(Unavailable):
            log.require_ready()
