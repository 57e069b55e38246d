"""Questions from the wire, and times back to it."""

import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from services.analytics.convert_presence import visits_to_proto
from services.analytics.convert_questions import (
    coverage_to_proto,
    duration_from_proto,
    duration_to_proto,
    open_span_from_proto,
    question_from_proto,
    span_from_proto,
    step_from_proto,
    time_from_proto,
    time_to_proto,
)
from services.analytics.domain.figures.intervals import Intervals
from services.analytics.domain.figures.span import Span
from services.analytics.service.presence import VisitList
from services.analytics.service.questions import Coverage, Gap
from services.common.errors import InvalidInput
from services.common.ids import TimelineId
from spoton.analytics.v1 import movement_pb2, operation_pb2, presence_pb2


@given(time_us=st.integers(0, 4_000_000_000_000_000))
def test_times_and_durations_return_as_they_were(time_us: int) -> None:
    """To the microsecond."""
    assert time_from_proto(time_to_proto(time_us), "start_time") == time_us
    assert duration_from_proto(duration_to_proto(time_us), "step") == time_us


def test_parts_of_a_microsecond_are_rounded_up() -> None:
    """So a half-open range holds the same whole microseconds as before."""
    assert time_from_proto(Timestamp(seconds=1, nanos=1), "end_time") == 1_000_001
    assert duration_from_proto(Duration(nanos=1), "step") == 1
    assert duration_from_proto(Duration(seconds=-1), "step") == -1_000_000


def test_an_open_range_reaches_as_far_as_calendars_do() -> None:
    """Each end is open by itself; a reversed range is refused all the same."""
    request = movement_pb2.StreamJourneyRequest(environment_id="plaza")
    everything = open_span_from_proto(request)
    assert everything.start_us == 0
    assert everything.end_us > 10**17
    request.end_time.FromSeconds(5)
    assert open_span_from_proto(request) == Span(0, 5_000_000)
    request.start_time.FromSeconds(5)
    with pytest.raises(InvalidInput) as caught:
        open_span_from_proto(request)
    assert caught.value.field == "end_time"


@pytest.mark.parametrize("seconds", [-1, 250_000_000_000])
def test_times_that_no_calendar_holds_are_refused(seconds: int) -> None:
    """Before 1970 and from the year 9000 on."""
    request = presence_pb2.GetDwellRequest(
        start_time=Timestamp(seconds=seconds), end_time=Timestamp(seconds=5)
    )
    with pytest.raises(InvalidInput) as caught:
        span_from_proto(request)
    assert caught.value.field == "start_time"


def test_without_a_step_there_is_one() -> None:
    """As long as the range; a step of zero is not none."""
    request = operation_pb2.GetPipelineActivityRequest(
        start_time=Timestamp(seconds=60), end_time=Timestamp(seconds=240)
    )
    span = span_from_proto(request)
    assert step_from_proto(request, request.step, span) == 180_000_000
    request.step.SetInParent()
    assert step_from_proto(request, request.step, span) == 0


def test_a_question_keeps_what_was_asked() -> None:
    """Names in their order, and whether provisional persons count."""
    request = presence_pb2.GetCrossingsRequest(
        environment_id="plaza",
        start_time=Timestamp(seconds=1),
        end_time=Timestamp(seconds=2),
        timeline_ids=["b", "a"],
        zone_ids=["shop"],
        include_provisional=True,
    )
    question = question_from_proto(request)
    assert question.scope.environment_id == "plaza"
    assert question.scope.timeline_ids == ("b", "a")
    assert question.span == Span(1_000_000, 2_000_000)
    assert question.zone_ids == ("shop",)
    assert question.include_provisional


def test_a_gap_that_goes_on_has_no_end() -> None:
    """Nor has a history without frame sets a time up to which it is stored."""
    gap = Gap(TimelineId("a"), 1, None, 7)
    message = coverage_to_proto(Coverage(None, 2_000_000, (gap,)))
    assert not message.HasField("stored_until")
    assert message.absence_limit.ToMicroseconds() == 2_000_000
    (told,) = message.gaps
    assert told.start_time.ToMicroseconds() == 1
    assert not told.HasField("end_time")
    assert told.lost_events == 7
    assert Coverage(None, 1, (gap,)).gap_spans(Span(0, 5)) == [Span(1, 5)]


@pytest.mark.parametrize(("visits", "messages"), [(0, 1), (500, 1), (501, 2)])
def test_visits_come_in_parts(visits: int, messages: int) -> None:
    """Five hundred at most, and coverage with the first, which always comes."""
    column = np.zeros(visits, np.int64)
    listed = Intervals(column + 7, column, column, column + 5)
    answer = VisitList(
        listed, ("shop",), {7: TimelineId("a")}, Coverage(None, 2_000_000)
    )
    parts = list(visits_to_proto(answer))
    assert len(parts) == messages
    assert sum(len(part.visits) for part in parts) == visits
    assert [part.HasField("coverage") for part in parts] == [True] + [False] * (
        messages - 1
    )
