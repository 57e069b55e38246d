"""Reading recordings at a chosen speed."""

import asyncio

import pytest

from services.pipeline.domain.latency import LatencyWindow
from services.pipeline.domain.pacing import Pacer


class Clock:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def test_frames_are_due_at_the_chosen_speed() -> None:
    """At twice the speed a second of recording takes half a second."""
    clock = Clock()
    pacer = Pacer(2.0, clock)
    assert pacer.delay_s(0) == 0.0
    assert pacer.delay_s(1_000_000_000) == pytest.approx(0.5)
    clock.now_s += 0.5
    assert pacer.delay_s(1_000_000_000) == 0.0


async def test_a_slow_reader_catches_up() -> None:
    """Due times do not shift when a frame is taken late."""
    clock = Clock()
    pacer = Pacer(1.0, clock)
    pacer.delay_s(0)
    clock.now_s += 3.0
    assert pacer.delay_s(2_000_000_000) == 0.0
    assert pacer.delay_s(4_000_000_000) == pytest.approx(1.0)


async def test_without_a_speed_nothing_waits() -> None:
    """Frames are due at once."""
    pacer = Pacer(None)
    await pacer.wait_until(10**18)


async def test_a_pause_takes_no_time_of_the_recording() -> None:
    """Afterwards the recording goes on where it stood."""
    clock = Clock()
    pacer = Pacer(1.0, clock)
    pacer.delay_s(0)
    clock.now_s += 1.0
    pacer.pause()
    assert pacer.delay_s(1_000_000_000) is None
    clock.now_s += 60.0
    pacer.resume()
    assert pacer.delay_s(3_000_000_000) == pytest.approx(2.0)


async def test_another_speed_holds_from_now_on() -> None:
    """The next frame is due at once and the ones after it at the new speed."""
    clock = Clock()
    pacer = Pacer(1.0, clock)
    pacer.delay_s(0)
    pacer.set_speed(4.0)
    assert pacer.delay_s(8_000_000_000) == 0.0
    assert pacer.delay_s(10_000_000_000) == pytest.approx(0.5)


async def test_a_waiting_frame_is_released_by_a_change() -> None:
    """Whoever waits notices a resume and a new speed."""
    pacer = Pacer(0.001)
    await pacer.wait_until(0)
    waiting = asyncio.create_task(pacer.wait_until(3600 * 10**9))
    await asyncio.sleep(0)
    pacer.pause()
    await asyncio.sleep(0)
    pacer.set_speed(None)
    await asyncio.sleep(0)
    assert not waiting.done()
    pacer.resume()
    async with asyncio.timeout(5):
        await waiting


def test_a_latency_window_keeps_the_newest() -> None:
    """Old durations leave the percentiles but stay in the count."""
    window = LatencyWindow(size=4)
    assert window.summary().count == 0
    for duration_s in (9.0, 9.0, 1.0, 2.0, 3.0, 4.0):
        window.add(duration_s)
    summary = window.summary()
    assert summary.count == 6
    assert summary.p50_s == pytest.approx(2.5)
    assert summary.p95_s == pytest.approx(3.85)
