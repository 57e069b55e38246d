"""BoxMOT's trackers as ours; skipped where the extra is not installed."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from services.common.errors import InvalidInput, NotReady
from services.common.ids import ModelId
from services.tracker.adapters.boxmot_kinds import KINDS
from services.tracker.adapters.boxmot_library import BoxmotLibrary, is_installed
from services.tracker.adapters.boxmot_tracker import BoxmotTracker
from services.tracker.domain.appearance import NO_VECTORS
from services.tracker.domain.arrays import FloatArray
from services.tracker.domain.frame import Detections, FrameTracks, TrackState
from services.tracker.domain.tracker import TrackerSettings
from tests.unit.tracker.scenes import (
    SIZE_PX,
    Crowd,
    box,
    frame,
    settings,
    take,
    vectors,
)

pytestmark = pytest.mark.skipif(
    not is_installed(), reason="the extra boxmot is not installed"
)
WITH_AND_WITHOUT = [
    (name, looks)
    for name, kind in KINDS.items()
    for looks in (False, True)
    if looks <= kind.appearance and looks >= kind.needs_appearance
]


def _tracker(name: str, *, looks: bool = False) -> BoxmotTracker:
    """Return a tracker of a name."""
    return BoxmotTracker(KINDS[name], settings(embeddings_available=looks))


def _scene() -> Iterator[tuple[Detections, FloatArray]]:
    """Yield the frames of a crowd, and a look for each detection."""
    random = np.random.default_rng(4)
    for detections in Crowd(seed=3, people=9, frames=40).detections():
        kinds = (detections.boxes_px[:, 0] // 300).astype(int)
        noise = 0.1 * random.standard_normal((len(detections), 12))
        yield detections, np.eye(12)[kinds] + noise


def _told(tracks: FrameTracks) -> list[object]:
    """Return everything that was told about a frame, comparable."""
    columns = (
        tracks.track_ids,
        tracks.states,
        tracks.boxes_px,
        tracks.detection_indices,
        tracks.feet.sigma_px,
        tracks.age_frames,
        tracks.ended_track_ids,
    )
    return [column.tolist() for column in columns]


@pytest.mark.parametrize(("name", "looks"), WITH_AND_WITHOUT)
def test_reopening_after_every_frame_changes_nothing(name: str, *, looks: bool) -> None:
    """Tracks and ids are those of a tracker that nobody killed."""
    undisturbed, killed = _tracker(name, looks=looks), _tracker(name, looks=looks)
    seen: set[int] = set()
    for detections, values in _scene():
        expected = take(undisturbed, detections, values)
        state = killed.dump()
        killed = _tracker(name, looks=looks)
        killed.load(state)
        assert _told(take(killed, detections, values)) == _told(expected)
        seen |= set(expected.track_ids.tolist())
    assert len(seen) >= 9


@pytest.mark.parametrize(("name", "looks"), WITH_AND_WITHOUT)
def test_ids_begin_where_told_and_are_never_given_again(
    name: str, *, looks: bool
) -> None:
    """Two cameras share no counter, and an ended id does not come back."""
    camera = TrackerSettings(SIZE_PX, 0.6, 0.1, 0.3, looks, first_track_id=501)
    _tracker(name, looks=looks)
    tracker, ended, first = BoxmotTracker(KINDS[name], camera), set(), None
    for detections, values in _scene():
        tracks = take(tracker, detections, values)
        first = first or min(tracks.track_ids.tolist(), default=None)
        assert not ended & set(tracks.track_ids.tolist())
        ended |= set(tracks.ended_track_ids.tolist())
        assert (np.diff(tracks.track_ids) > 0).all()
    assert first == 501
    assert ended


@pytest.mark.parametrize("rate_hz", [5, 30])
@pytest.mark.parametrize(
    "name", [name for name, looks in WITH_AND_WITHOUT if not looks]
)
def test_coasting_lasts_seconds_of_capture_time(name: str, rate_hz: int) -> None:
    """A track that is not seen ends after a second, however many frames that is."""
    tracker = _tracker(name)
    for step in range(rate_hz):
        take(tracker, frame(step / rate_hz, box(500 + 60 * step / rate_hz, 800)))
    last_s, ended_s, coasted = (rate_hz - 1) / rate_hz, None, 0
    for step in range(1, 2 * rate_hz):
        tracks = take(tracker, frame(last_s + step / rate_hz))
        coasted += int((tracks.states == TrackState.COASTED).sum())
        if tracks.ended_track_ids.size:
            ended_s = step / rate_hz
            break
    assert coasted
    assert ended_s == pytest.approx(1.0, abs=1.5 / rate_hz)


@pytest.mark.parametrize(("name", "looks"), WITH_AND_WITHOUT)
def test_vectors_are_asked_for_where_they_are_used(name: str, *, looks: bool) -> None:
    """Nothing is asked for without an embedder, nor of a tracker without appearance."""
    detections = frame(0.0, box(500, 800), box(900, 800))
    wanted = _tracker(name, looks=looks).propose(detections).wanted
    assert wanted.tolist() == ([0, 1] if looks else [])


def test_a_tracker_that_needs_vectors_says_so() -> None:
    """StrongSORT is not started where no vector can come."""
    with pytest.raises(NotReady, match="appearance"):
        _tracker("boxmot:strongsort")


@pytest.mark.parametrize("name", [name for name, looks in WITH_AND_WITHOUT if looks])
def test_vectors_may_stay_away(name: str) -> None:
    """Before the first vector, and for one detection, motion decides."""
    tracker = _tracker(name, looks=True)
    boxes_px = [box(300, 800), box(900, 800), box(1500, 800)]
    looks = np.eye(3, 8)
    for step in range(12):
        proposal = tracker.propose(frame(step / 10, *boxes_px))
        if step < 4:
            tracks = proposal.settle(NO_VECTORS)
        else:
            indices = np.arange(3 if step % 2 else 2)
            tracks = proposal.settle(vectors(indices, looks[indices]))
    assert tracks.detection_indices.tolist() == [0, 1, 2]
    assert (tracks.states == TrackState.CONFIRMED).all()


def test_vectors_of_another_model_cost_one_frame() -> None:
    """They are refused, and the next frame finds its tracks."""
    tracker = _tracker("boxmot:botsort", looks=True)
    for step in range(5):
        before = take(tracker, frame(step / 10, box(500, 800)), np.eye(1, 8))
    foreign = vectors(np.array([0]), np.eye(1, 8), ModelId("another"))
    with pytest.raises(InvalidInput, match="another") as caught:
        tracker.propose(frame(0.5, box(500, 800))).settle(foreign)
    assert caught.value.field == "embeddings[0].embedding.model_id"
    after = take(tracker, frame(0.6, box(500, 800)), np.eye(1, 8))
    assert after.track_ids.tolist() == before.track_ids.tolist()


def test_a_failing_library_ends_its_tracks_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The frame is refused, the next one says who ended, and new ids follow."""
    tracker = _tracker("boxmot:bytetrack")
    for step in range(3):
        take(tracker, frame(step / 10, box(500, 800)))

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(BoxmotLibrary, "update", fail)
        with pytest.raises(InvalidInput, match="ended"):
            take(tracker, frame(0.3, box(500, 800)))
    tracks = take(tracker, frame(0.4, box(500, 800)))
    assert tracks.ended_track_ids.tolist() == [1]
    assert tracks.track_ids.tolist() == [2]


def test_what_the_library_keeps_for_ever_is_dropped() -> None:
    """A checkpoint does not grow with the tracks that ended."""
    tracker, sizes = _tracker("boxmot:bytetrack"), []
    for step in range(400):
        somebody = [box(100 + 40 * (step // 5 % 40), 800)] if step % 5 else []
        take(tracker, frame(step / 10, *somebody))
        if step % 10 == 9:
            sizes.append(len(tracker.dump()))
    assert max(sizes[20:]) < 1.2 * max(sizes[:20])


def test_years_of_tracks_do_not_exhaust_the_librarys_ids() -> None:
    """The library counts anew before its numbers lose precision; ours go on."""
    tracker = _tracker("boxmot:bytetrack")
    tracker._library._tracker.id_allocator.next_id = 2**24 - 2
    for step in range(4):
        tracks = take(
            tracker, frame(step / 10, *(box(300 * n, 800) for n in (1, 3, 5)))
        )
    assert tracks.track_ids.tolist() == [1, 2, 3]
    assert (tracks.states == TrackState.CONFIRMED).all()


@cache
def _dump() -> bytes:
    """Return a state in the middle of a scene."""
    tracker = _tracker("boxmot:ocsort")
    for step in range(6):
        take(tracker, frame(step / 10, box(500, 800), box(900, 800)))
    return tracker.dump()


@limits(max_examples=60, deadline=None)
@given(position=st.integers(0, 100_000), flip=st.integers(1, 255))
def test_a_forged_state_is_refused_or_loaded_whole(position: int, flip: int) -> None:
    """Nothing but InvalidInput comes of it, and then nothing is changed."""
    packed = bytearray(_dump())
    packed[position % len(packed)] ^= flip
    tracker = _tracker("boxmot:ocsort")
    fresh = tracker.dump()
    try:
        tracker.load(bytes(packed))
    except InvalidInput:
        assert tracker.dump() == fresh


def test_a_state_of_another_version_is_refused() -> None:
    """The message says which version made it, and which one is here."""
    tracker = _tracker("boxmot:ocsort")
    state = _dump()
    tracker._library.version = "1.0"
    state_of_old = tracker.dump()
    with pytest.raises(InvalidInput, match=r"boxmot 1\.0"):
        _tracker("boxmot:ocsort").load(state_of_old)
    _tracker("boxmot:ocsort").load(state)


def test_the_state_of_another_tracker_is_refused() -> None:
    """A ByteTrack does not go on as an OC-SORT."""
    with pytest.raises(InvalidInput):
        _tracker("boxmot:bytetrack").load(_dump())
