"""Entries of the audit log."""

from dataclasses import dataclass
from datetime import datetime

from services.common.caller import Caller, CallerKind
from services.common.errors import InvalidInput

LIMITS = {
    "action": (1, 200),
    "environment_id": (0, 63),
    "resource": (0, 500),
    "purpose": (0, 500),
    "outcome": (1, 50),
    "detail": (0, 1000),
    "trace_id": (0, 64),
}
"""By field: least and most characters."""

ACTOR_LIMITS = {"subject": (0, 200), "name": (0, 200), "address": (0, 64)}
"""By field of the actor: least and most characters."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted.

    Attributes:
        subject: Id of the account, or name of the service; empty when not known.
        name: Of the account.
        kind: What kind of account it is; None when not known.
        address: Where the call came from; empty when not known.
    """

    subject: str = ""
    name: str = ""
    kind: CallerKind | None = None
    address: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that was done, or refused.

    Attributes:
        time: When.
        actor: Who did it.
        action: What was done.
        outcome: `OK`, or the name of a gRPC status.
        environment_id: Environment that it concerned; empty if none.
        resource: What it concerned.
        purpose: Why, as the actor said.
        detail: More of it.
        trace_id: Trace of the call.
    """

    time: datetime
    actor: Actor
    action: str
    outcome: str
    environment_id: str = ""
    resource: str = ""
    purpose: str = ""
    detail: str = ""
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it is recorded.

    Attributes:
        entry_id: Its number, from 1.
        event: What happened.
        reporter: Service that reported it.
        chain_hash: SHA-256 over the entry and the hash before it.
    """

    entry_id: int
    event: Event
    reporter: str
    chain_hash: bytes


@dataclass(frozen=True, slots=True)
class Report:
    """An event that a service reports.

    Attributes:
        report_id: Unique to the event; reported again, it is recorded once.
        event: What happened.
    """

    report_id: str
    event: Event


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are wanted; what is empty or None fits everything.

    Attributes:
        environment_id: Environment that they concerned.
        subject: Account that acted.
        action: What was done; ends with `*` to fit a beginning.
        outcome: How it ended.
        start: First time.
        end: Time after the last.
    """

    environment_id: str = ""
    subject: str = ""
    action: str = ""
    outcome: str = ""
    start: datetime | None = None
    end: datetime | None = None


def actor_of(caller: Caller) -> Actor:
    """Return a caller as the one who acted."""
    return Actor(caller.subject, caller.name, caller.kind, caller.address)


def check_event(event: Event, path: str) -> None:
    """Check an event that a service reports.

    Raises:
        InvalidInput: A text has the wrong length or a NUL character.
    """
    for source, limits, place in (
        (event, LIMITS, path),
        (event.actor, ACTOR_LIMITS, f"{path}.actor"),
    ):
        for name, (least, most) in limits.items():
            text = getattr(source, name)
            if not least <= len(text) <= most:
                message = f"must have {least} to {most} characters, has {len(text)}"
                raise InvalidInput(message, field=f"{place}.{name}")
            if "\x00" in text:
                raise InvalidInput("has a NUL character", field=f"{place}.{name}")


def shortened(event: Event) -> Event:
    """Return an event of our own that fits, its texts cut and made clean."""

    def cut(text: str, most: int) -> str:
        return text.replace("\x00", "\ufffd")[:most]

    actor = event.actor
    return Event(
        time=event.time,
        actor=Actor(
            cut(actor.subject, 200),
            cut(actor.name, 200),
            actor.kind,
            cut(actor.address, 64),
        ),
        **{name: cut(getattr(event, name), most) for name, (_, most) in LIMITS.items()},
    )
