"""Times of a recording's frames, and which of them are kept."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.frame_times import FrameTimes
from services.pipeline.domain.rate_limit import RateLimit

TENTH_NS = 100_000_000


@given(stamps=st.lists(st.none() | st.integers(-(10**10), 10**10)))
def test_times_always_grow(stamps: list[int | None]) -> None:
    """Whatever the container says, no frame is earlier than the one before."""
    times = FrameTimes(TENTH_NS)
    placed = [times.advance(stamp)[0] for stamp in stamps]
    assert placed == sorted(set(placed))
    assert placed[:1] == [0][: len(placed)]


def test_a_gap_is_counted_as_missing_frames() -> None:
    """A step of four intervals hides three frames."""
    times = FrameTimes(TENTH_NS)
    times.advance(0)
    assert times.advance(4 * TENTH_NS) == (4 * TENTH_NS, 3)


def test_jitter_is_no_gap() -> None:
    """A step of up to one and a half intervals hides nothing."""
    times = FrameTimes(TENTH_NS)
    times.advance(0)
    assert times.advance(3 * TENTH_NS // 2) == (3 * TENTH_NS // 2, 0)


def test_resuming_goes_on_as_if_all_had_been_read() -> None:
    """Times and gaps depend on the stamps alone, not on where reading began."""
    stamps = [50, 150, 250, 650, 750, 1050]
    times = FrameTimes(100)
    whole = [times.advance(stamp) for stamp in stamps]
    resumed = FrameTimes(100)
    resumed.resume(first_stamp_ns=50, latest_ns=whole[2][0])
    assert [resumed.advance(stamp) for stamp in stamps[3:]] == whole[3:]


@pytest.mark.parametrize(
    ("max_rate_hz", "kept"),
    [
        (None, 20),
        (50.0, 20),
        (10.0, 20),
        (5.0, 10),
        (2.5, 5),
        (1.0, 2),
    ],
)
def test_the_rate_is_kept_evenly(max_rate_hz: float | None, kept: int) -> None:
    """Of two seconds at 10 Hz as many frames are kept as the rate says."""
    limit = RateLimit(max_rate_hz, TENTH_NS)
    times = [index * TENTH_NS + (index % 3 - 1) for index in range(20)]
    flags = [
        limit.keeps(time_ns, before)
        for before, time_ns in zip([None, *times], times, strict=False)
    ]
    assert sum(flags) == kept
    indices = [index for index, flag in enumerate(flags) if flag]
    assert len({b - a for a, b in pairwise(indices)}) <= 1


def test_the_delivered_rate_is_never_above_the_source() -> None:
    """A limit above the source's rate changes nothing."""
    assert RateLimit(50.0, TENTH_NS).delivered_rate_hz() == 10.0
    assert RateLimit(4.0, TENTH_NS).delivered_rate_hz() == 4.0
