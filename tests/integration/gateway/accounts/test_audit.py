"""The audit log: what is in it, who reads it, and that nobody changes it."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from services.common.errors import Forbidden, InvalidInput
from spoton.accounts.v1 import accounts_pb2 as pb
from spoton.accounts.v1 import audit_pb2
from tests.fakes.accounts import AccountsServer
from tests.integration.refusals import failure

Metadata = tuple[tuple[str, str], ...]
SERVICE = (("spoton-service", "reid"),)


@pytest.fixture
async def admin(server: AccountsServer) -> Metadata:
    """Give what an administrator's calls carry."""
    return await server.admin()


def a_report(action: str = "search") -> audit_pb2.ReportedEntry:
    """Return a report of a search that was allowed."""
    report = audit_pb2.ReportedEntry(report_id=secrets.token_hex(8))
    entry = report.entry
    entry.time.FromDatetime(datetime.now(UTC))
    entry.actor.subject, entry.actor.name = "user-1", "eve"
    entry.actor.kind = audit_pb2.ACTOR_KIND_USER
    entry.action, entry.outcome, entry.purpose = action, "OK", "lost child"
    entry.environment_id = "plaza"
    return report


async def listed(
    server: AccountsServer, admin: Metadata, **wanted: object
) -> list[audit_pb2.AuditEntry]:
    """Return the first page of entries that fit."""
    request = pb.ListAuditEntriesRequest(**wanted)
    answer = await server.stub.ListAuditEntries(request, metadata=admin)
    return list(answer.entries)


async def test_logins_are_recorded(server: AccountsServer, admin: Metadata) -> None:
    """Good ones with the user, bad ones with the name that was stated."""
    person = await server.person()
    await server.log_in(person)
    wrong = {"name": person.name, "password": "wrong-wrong-wrong"}
    await server.post("/v1/auth/login", **wrong)
    (good,) = await listed(server, admin, subject=person.user_id, action="login")
    assert (good.outcome, good.actor.name) == ("OK", person.name)
    assert good.actor.address == "127.0.0.1"
    bad = await listed(server, admin, outcome="UNAUTHENTICATED", action="login")
    assert bad[0].actor.name == person.name
    assert not bad[0].actor.subject
    slip = {"name": "My Password 123!", "password": "x"}
    await server.post("/v1/auth/login", **slip)
    bad = await listed(server, admin, outcome="UNAUTHENTICATED", action="login")
    assert bad[0].actor.name == "", "what may be a password is not kept"


async def test_services_report_once(server: AccountsServer, admin: Metadata) -> None:
    """A report that is sent again is recorded once, under its reporter's name."""
    action = f"search-{secrets.token_hex(4)}"
    request = pb.AppendAuditEntriesRequest(entries=[a_report(action)])
    for _ in range(2):
        await server.stub.AppendAuditEntries(request, metadata=SERVICE)
    (entry,) = await listed(server, admin, action=action)
    sent = request.entries[0].entry
    assert (entry.reporter, entry.purpose) == ("reid", "lost child")
    assert entry.time == sent.time
    assert entry.actor == sent.actor


async def test_entries_are_found_page_by_page(
    server: AccountsServer, admin: Metadata
) -> None:
    """Filters are joined, the newest comes first, and pages meet without a gap."""
    prefix = f"export-{secrets.token_hex(4)}-"
    reports = [a_report(f"{prefix}{number}") for number in range(5)]
    reports[3].entry.environment_id = "studio"
    request = pb.AppendAuditEntriesRequest(entries=reports)
    await server.stub.AppendAuditEntries(request, metadata=SERVICE)
    found, token = [], ""
    while True:
        answer = await server.stub.ListAuditEntries(
            pb.ListAuditEntriesRequest(
                page_size=2,
                page_token=token,
                action=f"{prefix}*",
                environment_id="plaza",
            ),
            metadata=admin,
        )
        found += [entry.action.removeprefix(prefix) for entry in answer.entries]
        token = answer.next_page_token
        if not token:
            break
    assert found == ["4", "2", "1", "0"]
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert await listed(server, admin, action=f"{prefix}*", end_time=later)
    assert not await listed(server, admin, action=f"{prefix}*", start_time=later)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"report_id": ""}, "entries[0].report_id"),
        ({"action": ""}, "entries[0].entry.action"),
        ({"outcome": "x" * 51}, "entries[0].entry.outcome"),
        ({"detail": "\0"}, "entries[0].entry.detail"),
        ({"time": None}, "entries[0].entry.time"),
    ],
)
async def test_a_bad_report_is_refused(
    server: AccountsServer, change: dict[str, str | None], field: str
) -> None:
    """All or nothing: the error names the field, and nothing is recorded."""
    report = a_report()
    ((name, value),) = change.items()
    target = report if name == "report_id" else report.entry
    target.ClearField(name)
    if value:
        setattr(target, name, value)
    request = pb.AppendAuditEntriesRequest(entries=[report])
    error = await failure(server.stub.AppendAuditEntries(request, metadata=SERVICE))
    assert (type(error), error.field) == (InvalidInput, field)


async def test_only_services_report(server: AccountsServer, admin: Metadata) -> None:
    """Not even an administrator writes into the log."""
    request = pb.AppendAuditEntriesRequest(entries=[a_report()])
    error = await failure(server.stub.AppendAuditEntries(request, metadata=admin))
    assert isinstance(error, Forbidden)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE gateway.audit_entries SET outcome = 'OK'",
        "DELETE FROM gateway.audit_entries",
        "TRUNCATE gateway.audit_entries",
    ],
)
async def test_entries_are_never_changed(
    server: AccountsServer, admin: Metadata, postgres_dsn: str, change: str
) -> None:
    """Not even by the superuser, as long as the trigger is there."""
    async with await psycopg.AsyncConnection.connect(postgres_dsn) as connection:
        with pytest.raises(psycopg.errors.RaiseException, match="never changed"):
            await connection.execute(change.encode())


async def test_a_change_behind_the_triggers_back_shows(
    server: AccountsServer, admin: Metadata, postgres_dsn: str
) -> None:
    """The chain of hashes tells the first entry that does not fit."""
    auditing = server.accounts.use_cases.auditing
    assert await auditing.first_broken() is None
    connect = psycopg.AsyncConnection.connect(postgres_dsn)
    async with await connect as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            "UPDATE gateway.audit_entries SET detail = 'innocent' WHERE entry_id = 1"
        )
        await connection.commit()
        assert await auditing.first_broken() == 1
        await connection.execute(
            "UPDATE gateway.audit_entries SET detail = '' WHERE entry_id = 1"
        )
        await connection.commit()
    assert await auditing.first_broken() is None


async def test_entries_of_many_at_once_are_numbered_in_order(
    server: AccountsServer, admin: Metadata
) -> None:
    """No number is missing or twice, and the chain holds."""
    requests = [pb.AppendAuditEntriesRequest(entries=[a_report()]) for _ in range(20)]
    await asyncio.gather(
        *(
            server.stub.AppendAuditEntries(request, metadata=SERVICE)
            for request in requests
        )
    )
    entries = await listed(server, admin, page_size=1000)
    numbers = [entry.entry_id for entry in entries]
    assert numbers == list(range(len(numbers), 0, -1))
    assert await server.accounts.use_cases.auditing.first_broken() is None
