"""Wire to domain: events as the log stores them."""

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from services.analytics.domain.columns import IdentityChange, SessionChange
from services.analytics.domain.intake import Intake
from services.analytics.tracking_columns import read_updates
from services.common.ids import GlobalId, SessionId, TimelineId
from spoton.common.v1 import events_pb2

_IDENTITY_KINDS = {
    events_pb2.IDENTITY_EVENT_KIND_CREATED: "created",
    events_pb2.IDENTITY_EVENT_KIND_MERGED: "merged",
    events_pb2.IDENTITY_EVENT_KIND_SPLIT: "split",
    events_pb2.IDENTITY_EVENT_KIND_RETURNED: "returned",
}
_SESSION_KINDS = {
    number: name.removeprefix("SESSION_EVENT_KIND_").lower()
    for name, number in events_pb2.SessionEventKind.items()
}


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken in.

    Attributes:
        unreadable: Events that are damaged, or none of this version.
        oldest_us: When the first readable event was appended; None without one.
        newest_us: When the last was.
    """

    unreadable: int
    oldest_us: int | None
    newest_us: int | None


def take_in(intake: Intake, entries: Sequence[tuple[int, bytes]]) -> Taken:
    """Give a batch the events of the log, oldest first.

    Args:
        intake: The batch; takes this once.
        entries: Sequence and encoded event.

    Raises:
        ValueError: An event is damaged.
    """
    updates = read_updates([payload for _, payload in entries])
    intake.measured(updates.track_columns(), updates.person_columns(intake))
    unreadable = 0
    for index, (sequence, payload) in enumerate(entries):
        event_us = updates.event_us[index]
        if updates.is_update[index]:
            updates.take_in(intake, index)
        elif not _take_other(intake, payload, sequence, event_us):
            unreadable += 1
    known = [time_us for time_us in updates.event_us if time_us]
    return Taken(unreadable, min(known, default=None), max(known, default=None))


def us_from_timestamp(timestamp: Timestamp) -> int:
    """Return microseconds since 1970-01-01 UTC, rounded down."""
    return timestamp.seconds * 1_000_000 + timestamp.nanos // 1000


def _take_other(intake: Intake, payload: bytes, sequence: int, event_us: int) -> bool:
    """Take in what is no tracking update; return whether this version knows it."""
    try:
        event = events_pb2.EnvironmentEvent.FromString(payload)
    except DecodeError as error:
        raise ValueError("an event is damaged") from error
    match event.WhichOneof("event"):
        case "identity":
            _take_identity(intake, event.identity, sequence, event_us)
        case "session":
            _take_session(intake, event.session, sequence, event_us)
        case "zone":
            # Visits are computed here, from positions.
            pass
        case _:
            return False
    return True


def _take_identity(
    intake: Intake, event: events_pb2.IdentityEvent, sequence: int, event_us: int
) -> None:
    kind = _IDENTITY_KINDS.get(event.kind)
    if kind is None or event.global_id < 1:
        return
    intake.identity(
        IdentityChange(
            kind=kind,
            timeline_id=TimelineId(event.timeline_id),
            global_id=GlobalId(event.global_id),
            other=GlobalId(event.other_global_id),
            frame_set=event.frame_set if event.HasField("frame_set") else None,
            time_us=(
                us_from_timestamp(event.capture_time)
                if event.HasField("capture_time")
                else None
            ),
            sequence=sequence,
            event_us=event_us,
        )
    )


def _take_session(
    intake: Intake, event: events_pb2.SessionEvent, sequence: int, event_us: int
) -> None:
    intake.session(
        SessionChange(
            kind=_SESSION_KINDS.get(event.kind, "unspecified"),
            session_id=SessionId(event.session_id),
            timeline_id=TimelineId(event.timeline_id),
            epoch=event.epoch,
            detail=event.detail,
            sequence=sequence,
            event_us=event_us,
        )
    )
