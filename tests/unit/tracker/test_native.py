"""The native tracker on small scenes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from services.common.errors import InvalidInput
from services.common.ids import ModelId
from services.tracker.domain.arrays import FloatArray
from services.tracker.domain.frame import FrameTracks, TrackState
from services.tracker.domain.native import NativeTracker
from tests.unit.tracker.scenes import (
    Crowd,
    box,
    frame,
    id_of,
    settings,
    take,
    vectors,
)

LOOKS = np.eye(4, 8)


def _walk(tracker: NativeTracker, steps: int, x_px: float = 500) -> FrameTracks:
    """Let one person walk to the right at 10 Hz; return the last frame."""
    for step in range(steps):
        tracks = take(tracker, frame(step / 10, box(x_px + 10 * step, 800)))
    return tracks


def test_a_track_is_tentative_until_its_third_detection() -> None:
    """Two detections are not enough to believe in a person."""
    tracker = NativeTracker(settings())
    states = [int(_walk(NativeTracker(settings()), n).states[0]) for n in (1, 2, 3)]
    assert states == [
        TrackState.TENTATIVE,
        TrackState.TENTATIVE,
        TrackState.CONFIRMED,
    ]
    assert _walk(tracker, 3).age_frames.tolist() == [3]


def test_a_tentative_track_ends_with_its_first_miss() -> None:
    """Clutter that shows once is gone at once, and is said to have ended."""
    tracker = NativeTracker(settings())
    take(tracker, frame(0.0, box(500, 800)))
    tracks = take(tracker, frame(0.1))
    assert len(tracks.track_ids) == 0
    assert tracks.ended_track_ids.tolist() == [1]


def test_ids_begin_at_one_and_are_never_used_again() -> None:
    """Somebody new gets a new id, also after everybody left."""
    tracker = NativeTracker(settings())
    take(tracker, frame(0.0, box(500, 800)))
    take(tracker, frame(0.1))
    tracks = take(tracker, frame(0.2, box(500, 800)))
    assert tracks.track_ids.tolist() == [2]


def test_trackers_share_nothing() -> None:
    """A second camera's ids begin at one too."""
    _walk(NativeTracker(settings()), 3)
    assert _walk(NativeTracker(settings()), 1).track_ids.tolist() == [1]


def test_an_unseen_track_coasts_along_its_way() -> None:
    """A coasted track is predicted, has no detection and score 0."""
    tracker = NativeTracker(settings())
    last = _walk(tracker, 10)
    tracks = take(tracker, frame(1.1))
    assert tracks.states.tolist() == [TrackState.COASTED]
    assert tracks.detection_indices.tolist() == [-1]
    assert tracks.scores.tolist() == [0.0]
    assert tracks.boxes_px[0, 0] > last.boxes_px[0, 0] + 10


@pytest.mark.parametrize("rate_hz", [5, 30])
def test_coasting_ends_after_a_second_of_capture_time(rate_hz: int) -> None:
    """However many frames that is."""
    tracker = NativeTracker(settings())
    _walk(tracker, 5)
    ended_s = None
    for step in range(1, 2 * rate_hz):
        tracks = take(tracker, frame(0.4 + step / rate_hz))
        if tracks.ended_track_ids.size:
            ended_s = step / rate_hz
            break
    assert ended_s is not None
    assert 1.0 < ended_s <= 1.0 + 1.0 / rate_hz + 1e-9


def test_a_person_keeps_the_id_after_a_short_absence() -> None:
    """Somebody who reappears where expected is the same track."""
    tracker = NativeTracker(settings())
    _walk(tracker, 10)
    for step in range(10, 15):
        take(tracker, frame(step / 10))
    tracks = take(tracker, frame(1.5, box(650, 800)))
    assert tracks.track_ids.tolist() == [1]
    assert tracks.states.tolist() == [TrackState.CONFIRMED]


def test_a_coasting_track_that_leaves_the_frame_ends() -> None:
    """Nobody is predicted to walk outside of the picture."""
    tracker = NativeTracker(settings())
    for step in range(8):
        take(tracker, frame(step / 10, box(1650 + 30 * step, 800)))
    ended = [
        take(tracker, frame(0.7 + step / 10)).ended_track_ids.tolist()
        for step in range(1, 6)
    ]
    assert [1] in ended


def test_a_weak_detection_keeps_a_track_alive_but_begins_none() -> None:
    """Weak detections support tracks that exist."""
    tracker = NativeTracker(settings())
    _walk(tracker, 5)
    people = (box(550, 800), box(1200, 800))
    tracks = take(tracker, frame(0.5, *people, scores=[0.2, 0.2]))
    assert tracks.track_ids.tolist() == [1]
    assert tracks.states.tolist() == [TrackState.CONFIRMED]
    assert tracks.scores.tolist() == [0.2]


def test_detections_below_the_low_threshold_are_ignored() -> None:
    """The detector's own noise supports nothing."""
    tracker = NativeTracker(settings())
    _walk(tracker, 5)
    tracks = take(tracker, frame(0.5, box(550, 800), scores=[0.05]))
    assert tracks.states.tolist() == [TrackState.COASTED]


@pytest.mark.parametrize("rate_hz", [5, 10, 30])
def test_a_walker_is_one_track_at_every_frame_rate(rate_hz: int) -> None:
    """A walking pace of 1.5 m/s does not break tracks between 5 and 30 Hz."""
    tracker = NativeTracker(settings())
    for step in range(4 * rate_hz):
        x_px = 200 + 1.5 / 1.7 * 200 * step / rate_hz
        tracks = take(tracker, frame(step / rate_hz, box(x_px, 800)))
    assert tracks.track_ids.tolist() == [1]


def test_an_occluded_person_is_told_to_be_so() -> None:
    """The farther of two overlapping people is covered, the nearer is not."""
    tracker = NativeTracker(settings())
    tracks = take(tracker, frame(0.0, box(500, 800), box(520, 840)))
    assert tracks.occlusion[0] > 0.4
    assert tracks.occlusion[1] == 0.0
    assert tracks.feet.visibility[0] < tracks.feet.visibility[1]


def test_detections_outside_the_frame_are_cut_to_it() -> None:
    """A reported box never leaves the frame."""
    tracks = take(NativeTracker(settings()), frame(0.0, [-20.0, 900.0, 60.0, 1100.0]))
    assert tracks.boxes_px.tolist() == [[0.0, 900.0, 60.0, 1080.0]]


def _meet_and_turn_back(tracker: NativeTracker, looks: FloatArray | None) -> bool:
    """Let two people meet, hide one another and turn back; return if ids are right."""
    ids: list[tuple[int, int]] = []
    for step in range(60):
        gap = 15 * abs(step - 30)
        people = [box(900 - gap - 10, 800), box(900 + gap + 10, 806)]
        hidden = gap < 40
        seen = people[1:] if hidden else people
        scene = frame(step / 10, *seen)
        appearance = looks if looks is None or not hidden else looks[1:]
        tracks = take(tracker, scene, appearance)
        if not hidden:
            ids.append((id_of(tracks, 0), id_of(tracks, 1)))
    return len(set(ids)) == 1


@pytest.mark.parametrize(
    "looks", [LOOKS[:2], np.array([[1.0, 0.3, 0.0], [1.0, 0.0, 0.3]])]
)
def test_people_who_meet_and_turn_back_keep_their_ids_by_their_looks(
    looks: FloatArray,
) -> None:
    """Motion would have them walk on; appearance knows better, weak ones included."""
    asking = NativeTracker(settings(embeddings_available=True))
    assert _meet_and_turn_back(asking, looks)


def test_nothing_is_asked_when_nobody_can_answer() -> None:
    """Without embeddings every frame takes one step."""
    tracker = NativeTracker(settings())
    for scene in Crowd(seed=3, people=20, frames=30).detections():
        proposal = tracker.propose(scene)
        assert len(proposal.wanted) == 0
        proposal.settle(vectors(np.empty(0, np.int64), np.empty((0, 4))))


def test_a_new_track_is_asked_about_once_it_is_believed() -> None:
    """The third frame wants the first vector, the fourth wants none."""
    tracker = NativeTracker(settings(embeddings_available=True))
    wanted = []
    for step in range(4):
        scene = frame(step / 10, box(500 + 10 * step, 800))
        wanted.append(tracker.propose(scene).wanted.tolist())
        take(tracker, scene, LOOKS[:1])
    assert wanted == [[], [], [0], []]


def test_a_stranger_does_not_continue_a_lost_track() -> None:
    """Who appears near a lost track but looks different is somebody else."""
    for looks, expected in ((LOOKS[:1], [1]), (LOOKS[1:2], [1, 2])):
        tracker = NativeTracker(settings(embeddings_available=True))
        for step in range(6):
            take(tracker, frame(step / 10, box(500, 800)), LOOKS[:1])
        take(tracker, frame(0.8))
        tracks = take(tracker, frame(1.1, box(505, 800)), looks)
        assert tracks.track_ids.tolist() == expected


def _asking_with_vectors() -> NativeTracker:
    """Return a tracker whose only track has a vector."""
    tracker = NativeTracker(settings(embeddings_available=True))
    for step in range(6):
        take(tracker, frame(step / 10, box(500, 800)), LOOKS[:1])
    return tracker


@pytest.mark.parametrize(
    ("values", "model_id", "field"),
    [
        (np.eye(1, 5), "test-model", "embeddings[0].embedding.values"),
        (np.eye(1, 8), "another", "embeddings[0].embedding.model_id"),
    ],
)
def test_vectors_that_cannot_be_compared_change_nothing(
    values: FloatArray, model_id: str, field: str
) -> None:
    """Another length or model is refused and the frame can be tried again."""
    tracker = _asking_with_vectors()
    before = tracker.dump()
    proposal = tracker.propose(frame(1.0, box(500, 800)))
    wrong = vectors(np.array([0]), values, ModelId(model_id))
    with pytest.raises(InvalidInput) as caught:
        proposal.settle(wrong)
    assert caught.value.field == field
    assert tracker.dump() == before


def test_another_model_may_begin_once_no_track_has_vectors() -> None:
    """The model is bound to the vectors that are held, not to the stream."""
    tracker = _asking_with_vectors()
    take(tracker, frame(5.0, box(500, 800)))
    for step in range(1, 6):
        scene = frame(5 + step / 10, box(500, 800))
        proposal = tracker.propose(scene)
        proposal.settle(
            vectors(proposal.wanted, np.eye(1, 3)[proposal.wanted], ModelId("another"))
        )
    assert b"another" in tracker.dump()


@limits(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 39))
def test_a_tracker_goes_on_exactly_wherever_it_was_cut(seed: int, cut: int) -> None:
    """Frames after a checkpoint give the same tracks in a fresh tracker."""
    scenes = Crowd(seed=seed, people=12, frames=40).detections()
    looks = np.random.default_rng(seed).normal(size=(12, 6))
    whole = NativeTracker(settings(embeddings_available=True))
    for scene in scenes[:cut]:
        take(whole, scene, looks)
    fresh = NativeTracker(settings(embeddings_available=True))
    fresh.load(whole.dump())
    for scene in scenes[cut:]:
        assert whole.propose(scene).wanted.tolist() == (
            fresh.propose(scene).wanted.tolist()
        )
        first, second = take(whole, scene, looks), take(fresh, scene, looks)
        np.testing.assert_array_equal(first.track_ids, second.track_ids)
        np.testing.assert_array_equal(first.boxes_px, second.boxes_px)
        np.testing.assert_array_equal(first.ended_track_ids, second.ended_track_ids)
    assert whole.dump() == fresh.dump()


@limits(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_detection_has_one_track_and_every_track_one_end(seed: int) -> None:
    """Strong detections are all tracked, ids ascend, and what ended stays away."""
    tracker, ended = NativeTracker(settings()), set[int]()
    for scene in Crowd(seed=seed, people=15, frames=40).detections():
        tracks = take(tracker, scene)
        ids, used = tracks.track_ids, tracks.detection_indices
        assert (np.diff(ids) > 0).all()
        assert not ended & set(ids.tolist())
        strong = (scene.scores >= 0.6).nonzero()[0]
        assert set(strong.tolist()) <= set(used.tolist())
        assert len(set(used[used >= 0].tolist())) == (used >= 0).sum()
        assert not ended & set(tracks.ended_track_ids.tolist())
        ended |= set(tracks.ended_track_ids.tolist())
