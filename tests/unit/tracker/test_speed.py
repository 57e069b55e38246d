"""How long a frame takes. Reported, not asserted: machines differ."""

import statistics
import time
from collections.abc import Callable

import pytest

from services.tracker.domain.native import NativeTracker
from tests.unit.tracker.scenes import Crowd, settings, take


@pytest.mark.parametrize("people", [20, 100])
def test_the_time_of_a_frame_is_reported(
    people: int, record_property: Callable[[str, object], None]
) -> None:
    """The median CPU time of a frame goes into the report."""
    tracker, times_ms = NativeTracker(settings()), []
    for scene in Crowd(seed=7, people=people, frames=60, rate_hz=25).detections():
        begin_s = time.thread_time()
        take(tracker, scene)
        times_ms.append(1000 * (time.thread_time() - begin_s))
    median_ms = statistics.median(times_ms[10:])
    record_property("median_ms", round(median_ms, 3))
    assert median_ms > 0
