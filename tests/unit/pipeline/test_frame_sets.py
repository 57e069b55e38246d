"""Joining frames of several cameras to frame sets."""

import random

from hypothesis import given
from hypothesis import strategies as st

from services.common.ids import CameraId
from services.pipeline.domain.frame_sets import (
    FrameSet,
    FrameSetClock,
    FrameSetJoiner,
    calm_anchor_ns,
    interval_of_rate_ns,
)

A, B, C = CameraId("a"), CameraId("b"), CameraId("c")
CLOCK = FrameSetClock(anchor_ns=0, interval_ns=100)

Arrival = tuple[CameraId, int]


def _joined(arrivals: list[Arrival], clock: FrameSetClock) -> list[FrameSet[int]]:
    """Feed frames, each its own capture time, and end every camera after its last."""
    cameras = sorted({camera for camera, _ in arrivals})
    left = {camera: sum(c == camera for c, _ in arrivals) for camera in cameras}
    joiner = FrameSetJoiner[int](clock, cameras)
    sets = []
    for camera, time_ns in arrivals:
        assert joiner.add(camera, time_ns, time_ns)
        left[camera] -= 1
        if not left[camera]:
            joiner.end(camera)
        sets += joiner.ready()
    assert joiner.pending() == 0
    return sets


def test_a_set_waits_for_every_camera() -> None:
    """A set is closed only when each camera has delivered something later."""
    joiner = FrameSetJoiner[str](CLOCK, [A, B])
    joiner.add(A, 10, "a0")
    joiner.add(A, 110, "a1")
    assert joiner.ready() == []
    joiner.add(B, 20, "b0")
    assert joiner.ready() == []
    joiner.add(B, 120, "b1")
    assert joiner.ready() == [FrameSet(0, 0, {A: ("a0",), B: ("b0",)})]


def test_a_set_holds_every_frame_and_the_newest_comes_last() -> None:
    """A fast camera's frames all belong to the set, in order of time."""
    joiner = FrameSetJoiner[str](CLOCK, [A])
    for time_ns, item in ((50, "middle"), (10, "first"), (90, "newest")):
        joiner.add(A, time_ns, item)
    joiner.end(A)
    (only,) = joiner.ready()
    assert only.items[A] == ("first", "middle", "newest")


def test_sets_without_frames_are_left_out() -> None:
    """A gap in every camera skips numbers instead of making empty sets."""
    joiner = FrameSetJoiner[int](CLOCK, [A])
    joiner.add(A, 0, 0)
    joiner.add(A, 100_000, 1)
    joiner.end(A)
    assert [frame_set.number for frame_set in joiner.ready()] == [0, 1000]


def test_a_camera_that_ended_is_not_waited_for() -> None:
    """The others go on alone."""
    joiner = FrameSetJoiner[int](CLOCK, [A, B])
    joiner.add(A, 0, 0)
    joiner.end(B)
    joiner.add(A, 100, 1)
    assert [frame_set.number for frame_set in joiner.ready()] == [0]


def test_a_live_set_is_closed_when_its_time_is_over() -> None:
    """The tolerance runs from the set's first frame, and what follows is late."""
    joiner = FrameSetJoiner[str](CLOCK, [A, B], tolerance_s=0.2)
    joiner.add(A, 0, "a", now_s=5.0)
    assert joiner.next_deadline_s() == 5.2
    assert joiner.ready(now_s=5.1) == []
    assert [frame_set.items for frame_set in joiner.ready(now_s=5.2)] == [{A: ("a",)}]
    assert not joiner.add(B, 50, "b", now_s=5.3)
    assert joiner.add(B, 100, "b", now_s=5.3)
    assert joiner.next_deadline_s() == 5.5


def test_a_recording_never_runs_out_of_time() -> None:
    """Without a tolerance there is no deadline."""
    joiner = FrameSetJoiner[int](CLOCK, [A, B])
    joiner.add(A, 0, 0)
    assert joiner.next_deadline_s() is None
    assert joiner.ready(now_s=1e9) == []


@given(
    counts=st.tuples(*[st.integers(1, 12)] * 3),
    steps=st.tuples(*[st.integers(20, 250)] * 3),
    seed=st.integers(0, 10_000),
)
def test_recordings_join_the_same_whatever_the_order_of_arrival(
    counts: tuple[int, ...], steps: tuple[int, ...], seed: int
) -> None:
    """Only capture times decide, and no frame is lost or doubled."""
    frames = {
        camera: [index * step for index in range(count)]
        for camera, count, step in zip((A, B, C), counts, steps, strict=True)
    }
    in_turn = [(camera, time_ns) for camera in frames for time_ns in frames[camera]]
    order = [camera for camera, _ in in_turn]
    random.Random(seed).shuffle(order)
    queues = {camera: iter(times) for camera, times in frames.items()}
    shuffled = [(camera, next(queues[camera])) for camera in order]

    expected = _joined(in_turn, CLOCK)
    assert _joined(shuffled, CLOCK) == expected
    numbers = [frame_set.number for frame_set in expected]
    assert numbers == sorted(set(numbers))
    joined = [time for s in expected for times in s.items.values() for time in times]
    assert sorted(joined) == sorted(time_ns for _, time_ns in in_turn)


@given(
    phases_ms=st.lists(st.integers(0, 99), min_size=1, max_size=4),
    seed=st.integers(0, 10_000),
    rate_hz=st.sampled_from([10.0, 30.0, 24000 / 1001]),
)
def test_every_set_has_one_frame_of_each_camera_in_spite_of_jitter(
    phases_ms: list[int], seed: int, rate_hz: float
) -> None:
    """Cameras of equal rate and any phases never double or miss a set."""
    interval_ns = interval_of_rate_ns(rate_hz)
    jitter_ns = interval_ns // (2 * len(phases_ms) + 2) - 100_000
    noise = random.Random(seed)
    start_ns = 1_700_000_000_000_000_000
    frames = {
        CameraId(f"c{n}"): [
            start_ns
            + phase_ms * interval_ns // 100
            + round(index * 1e9 / rate_hz)
            + noise.randint(-jitter_ns // 2, jitter_ns // 2)
            for index in range(30)
        ]
        for n, phase_ms in enumerate(phases_ms)
    }
    firsts = [times[0] for times in frames.values()]
    clock = FrameSetClock(calm_anchor_ns(firsts, interval_ns), interval_ns)
    for times in frames.values():
        numbers = [clock.number(time_ns) for time_ns in times]
        assert numbers == list(range(numbers[0], numbers[0] + 30))


@given(
    times_ns=st.lists(st.integers(0, 10**12), min_size=1),
    interval_ns=st.integers(2, 10**9),
)
def test_the_anchor_lies_before_the_earliest_frame(
    times_ns: list[int], interval_ns: int
) -> None:
    """The first frame of all belongs to the set at the anchor."""
    anchor_ns = calm_anchor_ns(times_ns, interval_ns)
    assert 0 <= min(times_ns) - anchor_ns < interval_ns


def test_numbers_go_on_after_a_seek() -> None:
    """A clock may begin with any number at any time."""
    clock = FrameSetClock(anchor_ns=5_000, interval_ns=100, anchor_number=42)
    assert clock.number(5_250) == 44
    assert clock.start_ns(44) == 5_200
