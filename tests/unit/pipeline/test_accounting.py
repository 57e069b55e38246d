"""Accounting for every frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.ids import CameraId
from services.pipeline.domain.accounting import CameraLedger, FrameLedger, FrameResult
from services.pipeline.domain.frames import SourceEnd
from services.pipeline.domain.index_set import IndexSet
from services.pipeline.domain.progress import (
    CameraProgress,
    DropReason,
    FrameRange,
)

CAMERA = CameraId("door")


def _progress(ledger: CameraLedger) -> CameraProgress:
    progress = ledger.progress(CAMERA)
    given_up = sum(progress.dropped.values())
    assert progress.received == progress.processed + given_up + progress.in_flight
    return progress


def test_a_frame_is_in_flight_until_it_is_processed() -> None:
    """What it gave is counted with it."""
    ledger = CameraLedger()
    ledger.receive(0)
    assert _progress(ledger).in_flight == 1
    ledger.process(0, FrameResult(detections=5, strong_detections=3, embeddings=1))
    progress = _progress(ledger)
    assert (progress.processed, progress.in_flight) == (1, 0)
    assert (progress.detections, progress.strong_detections) == (5, 3)
    assert progress.embeddings == 1


def test_frames_skipped_for_the_rate_are_received_and_dropped() -> None:
    """They are counted with the frame that follows, or with the end."""
    ledger = CameraLedger()
    ledger.receive(2, skipped_before=2)
    ledger.end(SourceEnd(next_index=5, skipped=2, lost=1))
    progress = _progress(ledger)
    assert progress.received == 5
    assert progress.dropped == {DropReason.RATE: 4}
    assert progress.lost_upstream == 1


def test_a_frame_that_is_read_again_is_not_counted_again() -> None:
    """Nor is what becomes of it the second time."""
    ledger = CameraLedger()
    ledger.receive(0)
    ledger.process(0, FrameResult(detections=2))
    assert not ledger.receive(0, lost_before=1)
    ledger.process(0, FrameResult(detections=2))
    progress = _progress(ledger)
    assert (progress.received, progress.detections) == (1, 2)
    assert progress.lost_upstream == 0


def test_a_frame_that_was_never_received_cannot_be_processed() -> None:
    """A mistake in the caller is not hidden in the counts."""
    with pytest.raises(ValueError, match="never received"):
        CameraLedger().process(3, FrameResult())


def test_a_seek_leaves_a_range_and_reading_it_later_fills_it() -> None:
    """Skipped ranges are what was never received below the newest frame."""
    ledger = CameraLedger()
    for index in (0, 1, 10):
        ledger.receive(index)
    assert _progress(ledger).skipped == (FrameRange(2, 10),)
    for index in (4, 5):
        ledger.receive(index)
    assert _progress(ledger).skipped == (FrameRange(2, 4), FrameRange(6, 10))


def test_what_a_seek_past_the_end_leaves_out_is_skipped() -> None:
    """Once the end is known a range reaches to it, for a new owner too."""
    ledger = FrameLedger([CAMERA])
    ledger[CAMERA].receive(0)
    ledger[CAMERA].end(SourceEnd(next_index=9))
    assert _progress(ledger[CAMERA]).skipped == (FrameRange(1, 9),)
    other = FrameLedger([CAMERA])
    other.restore(ledger.to_bytes(), recordings=False)
    assert _progress(other[CAMERA]).skipped == (FrameRange(1, 9),)


def _two_of_four_in_flight() -> bytes:
    ledger = FrameLedger([CAMERA])
    camera = ledger[CAMERA]
    camera.container_frames = 9
    for index in range(4):
        camera.receive(index, lost_before=index)
    camera.process(0, FrameResult(tracks=1))
    camera.drop(2, DropReason.REFUSED)
    return ledger.to_bytes()


def test_a_new_owner_of_a_recording_counts_nothing_twice() -> None:
    """Frames that were in flight are forgotten, and counted when they come again."""
    ledger = FrameLedger([CAMERA])
    ledger.restore(_two_of_four_in_flight(), recordings=True)
    camera = ledger[CAMERA]
    assert _progress(camera).received == 2
    for index in (1, 2, 3):
        camera.receive(index, lost_before=index)
        camera.process(index, FrameResult())
    progress = _progress(camera)
    assert (progress.received, progress.processed) == (4, 3)
    assert progress.dropped == {DropReason.REFUSED: 1}
    assert progress.lost_upstream == 6
    assert (progress.tracks, progress.container_frames) == (1, 9)


def test_a_new_owner_of_a_live_camera_gives_up_what_was_in_flight() -> None:
    """Those frames will not come again."""
    ledger = FrameLedger([CAMERA])
    ledger.restore(_two_of_four_in_flight(), recordings=False)
    progress = _progress(ledger[CAMERA])
    assert progress.dropped == {DropReason.REFUSED: 1, DropReason.FAILOVER: 2}
    assert progress.in_flight == 0


def test_the_end_of_a_source_may_be_reached_twice() -> None:
    """A new owner that finds nothing left to read changes no count."""
    ledger = CameraLedger()
    ledger.receive(0)
    for _ in range(2):
        ledger.end(SourceEnd(next_index=3, skipped=2, lost=4))
    progress = _progress(ledger)
    assert (progress.received, progress.lost_upstream) == (3, 4)


def test_a_ledger_of_another_version_is_refused() -> None:
    """Counts that are not understood are not guessed."""
    with pytest.raises(ValueError, match="version 7"):
        FrameLedger([]).restore(b'{"version":7}', recordings=True)


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("receive"), st.integers(0, 30), st.integers(0, 3)),
        st.tuples(st.just("process"), st.integers(0, 40), st.just(0)),
        st.tuples(st.just("drop"), st.integers(0, 40), st.just(0)),
        st.tuples(st.just("cancel"), st.just(0), st.just(0)),
        st.tuples(st.just("restore"), st.booleans(), st.just(0)),
    ),
    max_size=60,
)


@given(steps=_STEPS)
def test_received_is_processed_plus_dropped_plus_in_flight(
    steps: list[tuple[str, int, int]],
) -> None:
    """The sum holds at every moment, and each frame is counted at most once."""
    ledger = FrameLedger([CAMERA])
    for action, value, more in steps:
        camera = ledger[CAMERA]
        in_flight = sorted(camera._in_flight)
        frame = in_flight[value % len(in_flight)] if in_flight else None
        if action == "receive":
            camera.receive(value + more, skipped_before=more, lost_before=more)
        elif action == "process" and frame is not None:
            camera.process(frame, FrameResult(detections=1))
        elif action == "drop" and frame is not None:
            camera.drop(frame, DropReason.LATE)
        elif action == "cancel":
            camera.drop_in_flight(DropReason.CANCELLED)
        elif action == "restore":
            ledger.restore(ledger.to_bytes(), recordings=bool(value))
        progress = _progress(ledger[CAMERA])
        skipped = sum(part.end - part.first for part in progress.skipped)
        assert progress.received + skipped <= 34
        assert progress.detections == progress.processed


@given(
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=80),
)
def test_an_index_set_is_a_set(steps: list[tuple[bool, int]]) -> None:
    """It agrees with a plain set, and its ranges stay apart and ascending."""
    ours, plain = IndexSet(), set[int]()
    for add, index in steps:
        if add:
            assert ours.add(index) == (index not in plain)
            plain.add(index)
        elif index in plain:
            ours.remove(index)
            plain.remove(index)
        ranges = ours.ranges()
        assert {i for first, end in ranges for i in range(first, end)} == plain
        edges = [edge for part in ranges for edge in part]
        assert edges == sorted(set(edges))
        assert (index in ours) == (index in plain)
