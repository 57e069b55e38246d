"""Whether a track still shows the person that it began with."""

import numpy as np
import pytest

from services.tracker.domain.familiarity import (
    DOUBT,
    Familiarity,
    doubted,
    fisher,
    gone_over,
)
from services.tracker.domain.frame import Detections
from services.tracker.domain.native import NativeTracker
from services.tracker.domain.native_state import EMPTY, pack, unpack
from services.tracker.domain.packing import pack_arrays, unpack_arrays
from tests.unit.tracker.scenes import settings, take

RATE_HZ = 10
SECOND_NS = 1_000_000_000


def looks_of(person: int, random: np.random.Generator) -> np.ndarray:
    """Return a noisy picture of a person, of unit length."""
    vector = np.eye(8)[person] + 0.15 * random.standard_normal(8)
    return vector / np.linalg.norm(vector)


def walked(swap_at: int | None, *, alike: bool = False) -> list[set[int]]:
    """Return the track ids of each frame of two people who stand side by side.

    Args:
        swap_at: Frame from which each stands where the other did, if ever.
        alike: Whether everybody's vector is the same.
    """
    tracker = NativeTracker(settings(embeddings_available=True))
    random, told = np.random.default_rng(3), []
    for number in range(400):
        boxes = np.array([[100.0, 100.0, 150.0, 250.0], [400.0, 100.0, 450.0, 250.0]])
        people = (1, 0) if swap_at is not None and number >= swap_at else (0, 1)
        looks = [looks_of(0 if alike else person, random) for person in people]
        detections = Detections(
            number * SECOND_NS // RATE_HZ, boxes, np.full(2, 0.9), np.zeros((2, 2, 3))
        )
        told.append(set(take(tracker, detections, np.array(looks)).track_ids.tolist()))
    return told


def test_tracks_that_go_over_to_another_person_are_cut() -> None:
    """Some pictures after two people changed places, both tracks have ended."""
    told = walked(swap_at=250)
    assert told[249] == {1, 2}
    assert told[-1].isdisjoint({1, 2})
    assert len(told[-1]) == 2


def test_tracks_of_one_person_are_never_cut() -> None:
    """Noise in the pictures is no other person."""
    assert walked(swap_at=None)[-1] == {1, 2}


def test_a_model_that_finds_all_alike_cuts_nothing() -> None:
    """Where two people are as alike as one, no track is doubted."""
    assert walked(swap_at=250, alike=True)[-1] == {1, 2}


def test_nothing_is_said_before_the_camera_is_known() -> None:
    """Priors alone are no evidence."""
    assert Familiarity().evidence(fisher(np.array([-0.9, 0.9]))).tolist() == [0.0, 0.0]


def test_one_picture_cuts_no_track() -> None:
    """Doubt adds up over pictures, and is forgotten when one fits."""
    known = Familiarity(1.1, 0.0, 0.02, 1000, 1000)
    stranger, own = known.evidence(fisher(np.array([-0.5, 0.8])))
    doubts = doubted(np.zeros(1), np.array([stranger]))
    assert not gone_over(doubts).any()
    assert doubted(doubts, np.array([own])) == pytest.approx(0.0)
    for _ in range(2):
        doubts = doubted(doubts, np.array([stranger]))
    assert doubts[0] >= DOUBT


def test_a_checkpoint_of_the_version_before_is_still_read() -> None:
    """State without familiarity begins with none learned."""
    scalars, looks, *rest = unpack_arrays(pack(EMPTY))
    older = pack_arrays([scalars[:3], looks[:1], *rest[:-1]])
    assert unpack(older).looks == EMPTY.looks
