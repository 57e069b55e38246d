"""The statistics of the measurements."""

import pytest

from tests.bench.statistics import percentile_ms, rate_per_s, spread


def test_a_spread_tells_the_middle_and_both_ends() -> None:
    """One slow run moves an end and leaves the median where it is."""
    repeated = spread([0.9, 0.92, 0.2])
    assert repeated.median == 0.9
    assert (repeated.least, repeated.most) == (0.2, 0.92)
    assert repeated.text() == "0.90 (0.20–0.92)"


def test_a_rate_counts_what_was_finished_after_the_first_counted_step() -> None:
    """Three units a step and a step each 100 ms are 30 a second."""
    times_ms = [1000.0 + 100 * step for step in range(11)]
    assert rate_per_s(times_ms, units_each=3, warm_up=0) == pytest.approx(30.0)


def test_a_slow_beginning_does_not_count() -> None:
    """Steps within the warm-up change nothing."""
    times_ms = [0.0, 5000.0, 5100.0, 5200.0]
    assert rate_per_s(times_ms, units_each=1, warm_up=1) == pytest.approx(10.0)


def test_a_rate_of_too_few_steps_is_refused() -> None:
    """One step after the warm-up has no duration."""
    with pytest.raises(ValueError, match="too few"):
        rate_per_s([0.0, 1.0, 2.0], units_each=1, warm_up=2)


def test_percentiles_are_in_milliseconds() -> None:
    """The 99th percentile of a hundred values is close to the largest."""
    durations_s = [number / 1000 for number in range(1, 101)]
    assert percentile_ms(durations_s, 50) == pytest.approx(50.5)
    assert percentile_ms(durations_s, 99) == pytest.approx(99.01)
