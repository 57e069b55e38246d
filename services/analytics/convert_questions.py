"""Questions: wire to domain; and what every answer tells, back."""

from collections.abc import Sequence
from typing import Any, Protocol

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from services.analytics.domain.figures.span import US_PER_S, Span
from services.analytics.service.looking import Question
from services.analytics.service.movement import FloorQuestion
from services.analytics.service.questions import Coverage, Gap, Scope
from services.common.errors import InvalidInput
from services.common.ids import (
    EnvironmentId,
    GlobalId,
    TimelineId,
    require_resource_id,
)
from spoton.analytics.v1 import coverage_pb2

MAX_NAMES = 200
"""Most zones, tripwires or cameras of one request."""

_FIRST_S, _END_S = 0, 221_845_392_000
"""1970, and the year 9000: calendars end before what times can hold."""

_NS_PER_US = 1000
_MAX_ID = 2**63 - 1


class _Asked(Protocol):
    """What every request has."""

    environment_id: str

    @property
    def timeline_ids(self) -> Sequence[str]:
        """Timelines; empty means all."""


class _Timed(Protocol):
    """What every request about a range of time has."""

    @property
    def start_time(self) -> Timestamp:
        """Beginning."""

    @property
    def end_time(self) -> Timestamp:
        """End."""

    def HasField(self, field_name: Any) -> bool:  # noqa: N802 - protobuf's name.
        """Return whether a field is set."""


class _Ranged(_Asked, _Timed, Protocol):
    """What every request about timelines in a range of time has."""


def scope_from_proto(message: _Asked) -> Scope:
    """Return where to count.

    Raises:
        InvalidInput: A name cannot be one.
    """
    timelines = names_from_proto(message.timeline_ids, "timeline_ids")
    return Scope(
        environment_id_from_proto(message.environment_id),
        tuple(TimelineId(one) for one in timelines),
    )


def environment_id_from_proto(name: str) -> EnvironmentId:
    """Return the environment that is named.

    Raises:
        InvalidInput: It cannot be one.
    """
    return EnvironmentId(require_resource_id(name, "environment_id"))


def names_from_proto(names: Sequence[str], field: str) -> tuple[str, ...]:
    """Return names of things in an environment.

    Raises:
        InvalidInput: There are too many, or one cannot be a name.
    """
    if len(names) > MAX_NAMES:
        raise InvalidInput(f"has more than {MAX_NAMES} entries", field=field)
    for index, name in enumerate(names):
        if not name or "\x00" in name:
            raise InvalidInput("is not a name", field=f"{field}[{index}]")
    return tuple(names)


def span_from_proto(message: _Timed) -> Span:
    """Return a range of time.

    Raises:
        InvalidInput: It has no beginning or no end, or is reversed.
    """
    for name in ("start_time", "end_time"):
        if not message.HasField(name):
            raise InvalidInput("is required", field=name)
    return Span(
        time_from_proto(message.start_time, "start_time"),
        time_from_proto(message.end_time, "end_time"),
    )


def open_span_from_proto(message: _Timed) -> Span:
    """Return a range of time whose ends may be left open.

    Raises:
        InvalidInput: It is reversed.
    """
    start_us, end_us = _FIRST_S * US_PER_S, _END_S * US_PER_S
    if message.HasField("start_time"):
        start_us = time_from_proto(message.start_time, "start_time")
    if message.HasField("end_time"):
        end_us = time_from_proto(message.end_time, "end_time")
    return Span(start_us, end_us)


def time_from_proto(timestamp: Timestamp, field: str) -> int:
    """Return microseconds since 1970 UTC, the next whole one.

    Raises:
        InvalidInput: It is before 1970, or in the year 9000 or later.
    """
    whole = 0 <= timestamp.nanos < 10**9
    if not (_FIRST_S <= timestamp.seconds < _END_S and whole):
        raise InvalidInput("must be from 1970 to before 9000", field=field)
    return timestamp.seconds * US_PER_S - -timestamp.nanos // _NS_PER_US


def duration_from_proto(duration: Duration, field: str) -> int:
    """Return microseconds, the next whole one.

    Raises:
        InvalidInput: It is not a duration, or thousands of years long.
    """
    if abs(duration.seconds) > _END_S or abs(duration.nanos) >= 10**9:
        raise InvalidInput("is out of range", field=field)
    return duration.seconds * US_PER_S - -duration.nanos // _NS_PER_US


def step_from_proto(message: _Timed, step: Duration, span: Span) -> int:
    """Return the length of a step, microseconds: the range where none is stated.

    Raises:
        InvalidInput: It is not a duration.
    """
    if not message.HasField("step"):
        return span.end_us - span.start_us
    return duration_from_proto(step, "step")


def global_id_from_proto(global_id: int) -> GlobalId:
    """Return a person's id, 0 for none.

    Raises:
        InvalidInput: It is negative.
    """
    if not 0 <= global_id <= _MAX_ID:
        raise InvalidInput("must be 1 or more", field="global_id")
    return GlobalId(global_id)


class _AskedZones(_Ranged, Protocol):
    """What every request about zones has."""

    include_provisional: bool

    @property
    def zone_ids(self) -> Sequence[str]:
        """Zones; empty means all."""


def cameras_from_proto(names: Sequence[str]) -> tuple[str, ...]:
    """Return the cameras that are asked for, each once, in order.

    Raises:
        InvalidInput: There are too many, or one cannot be a name.
    """
    return tuple(sorted(set(names_from_proto(names, "camera_ids"))))


def question_from_proto(
    message: _AskedZones, camera_ids: tuple[str, ...] = ()
) -> Question:
    """Return whose presences, visits and appearances are asked for.

    Raises:
        InvalidInput: A field cannot be used.
    """
    return Question(
        scope=scope_from_proto(message),
        span=span_from_proto(message),
        zone_ids=names_from_proto(message.zone_ids, "zone_ids"),
        camera_ids=camera_ids,
        include_provisional=message.include_provisional,
    )


class _AskedFloor(_Ranged, Protocol):
    """What every request about a level has."""

    floor_id: str


def floor_question_from_proto(message: _AskedFloor, global_id: int) -> FloorQuestion:
    """Return which movement is asked for.

    Raises:
        InvalidInput: A field cannot be used.
    """
    if "\x00" in message.floor_id:
        raise InvalidInput("is not a name", field="floor_id")
    return FloorQuestion(
        scope=scope_from_proto(message),
        span=span_from_proto(message),
        floor_id=message.floor_id,
        global_id=global_id_from_proto(global_id),
    )


def time_to_proto(time_us: int) -> Timestamp:
    """Return the message of a time in microseconds since 1970 UTC."""
    seconds, us = divmod(time_us, US_PER_S)
    return Timestamp(seconds=seconds, nanos=us * _NS_PER_US)


def duration_to_proto(length_us: int) -> Duration:
    """Return the message of a length in microseconds, which is not negative."""
    seconds, us = divmod(length_us, US_PER_S)
    return Duration(seconds=seconds, nanos=us * _NS_PER_US)


def coverage_to_proto(coverage: Coverage) -> coverage_pb2.Coverage:
    """Return how complete an answer is."""
    message = coverage_pb2.Coverage(
        absence_limit=duration_to_proto(coverage.absence_limit_us),
        gaps=[_gap_to_proto(gap) for gap in coverage.gaps],
    )
    if coverage.stored_until_us is not None:
        message.stored_until.CopyFrom(time_to_proto(coverage.stored_until_us))
    return message


def _gap_to_proto(gap: Gap) -> coverage_pb2.HistoryGap:
    message = coverage_pb2.HistoryGap(
        timeline_id=gap.timeline_id,
        start_time=time_to_proto(gap.start_us),
        lost_events=gap.lost_events,
    )
    if gap.end_us is not None:
        message.end_time.CopyFrom(time_to_proto(gap.end_us))
    return message
