"""The table of the audit log, which takes new rows and gives up none."""

import uuid
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.common.caller import CallerKind
from services.gateway.accounts.domain.audit import Actor, Entry, Event, Filter

_VALUES = (
    "time, subject, name, kind, address, action, outcome, environment_id, resource, "
    "purpose, detail, trace_id, reporter"
)


class AuditRows:
    """The audit log, within one transaction."""

    def __init__(self, connection: AsyncConnection[TupleRow]) -> None:
        self._connection = connection

    async def add(
        self, event: Event, *, reporter: str = "gateway", report_id: str = ""
    ) -> None:
        """Record an event; one with a known report id is recorded already.

        Other entries wait until the transaction ends: make this its last statement.
        """
        actor = event.actor
        await self._connection.execute(
            f"INSERT INTO audit_entries ({_VALUES}, report_id) VALUES "
            f"({', '.join(['%s'] * 14)}) "
            "ON CONFLICT (reporter, report_id) DO NOTHING".encode(),
            (
                event.time,
                actor.subject,
                actor.name,
                actor.kind.value if actor.kind else "",
                actor.address,
                event.action,
                event.outcome,
                event.environment_id,
                event.resource,
                event.purpose,
                event.detail,
                event.trace_id,
                reporter,
                report_id or uuid.uuid4().hex,
            ),
        )

    async def page(self, wanted: Filter, before: int | None, count: int) -> list[Entry]:
        """Return `count` entries that fit, newest first, before an entry."""
        prefix = wanted.action.endswith("*")
        conditions: list[tuple[str, object]] = [
            ("entry_id < %s", before),
            ("environment_id = %s", wanted.environment_id or None),
            ("subject = %s", wanted.subject or None),
            (
                "starts_with(action, %s)" if prefix else "action = %s",
                wanted.action.removesuffix("*") or None,
            ),
            ("outcome = %s", wanted.outcome or None),
            ("time >= %s", wanted.start),
            ("time < %s", wanted.end),
        ]
        used = [one for one in conditions if one[1] is not None]
        where = " AND ".join(["true", *(condition for condition, _ in used)])
        cursor = await self._connection.execute(
            f"SELECT entry_id, {_VALUES}, chain_hash FROM audit_entries WHERE {where} "
            "ORDER BY entry_id DESC LIMIT %s".encode(),
            (*(value for _, value in used), count),
        )
        return [_entry(row) for row in await cursor.fetchall()]

    async def first_broken(self) -> int | None:
        """Return the first entry whose hash or number does not fit, or None."""
        cursor = await self._connection.execute(
            """
            SELECT min(entry_id) FROM (
                SELECT entry_id,
                    entry_id = row_number() OVER by_id AND chain_hash =
                        audit_chain_hash(
                            coalesce(lag(chain_hash) OVER by_id, ''), audit_entries
                        ) AS fits
                FROM audit_entries WINDOW by_id AS (ORDER BY entry_id)
            ) checked WHERE NOT fits
            """
        )
        row = await cursor.fetchone()
        return row[0] if row else None


def _entry(row: Any) -> Entry:
    entry_id, time, subject, name, kind, address, action, outcome, *rest = row
    environment_id, resource, purpose, detail, trace_id, reporter, chain_hash = rest
    event = Event(
        time=time,
        actor=Actor(subject, name, CallerKind(kind) if kind else None, address),
        action=action,
        outcome=outcome,
        environment_id=environment_id,
        resource=resource,
        purpose=purpose,
        detail=detail,
        trace_id=trace_id,
    )
    return Entry(entry_id, event, reporter, bytes(chain_hash))
