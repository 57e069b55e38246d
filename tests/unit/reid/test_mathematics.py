"""Motion, evidence, appearance and ids."""

from dataclasses import replace

import numpy as np
import pytest

from services.common.ids import CameraId, GlobalId
from services.reid.domain.appearance import (
    Prototype,
    _averaged,
    learn,
    similarity_evidence,
    surplus,
)
from services.reid.domain.evidence import PairEvidence, Placement
from services.reid.domain.global_ids import EPOCH_MS, GlobalIdSource
from services.reid.domain.motion import begin, follow, predict
from services.reid.domain.returning import IMPLAUSIBLE, return_evidence
from services.reid.domain.values import FloorFix
from tests.unit.reid.scenes import CONFIG, MODEL, key, vector

S_NS = 1_000_000_000
HERE = FloorFix(0.0, 0.0, 0.04, 0.01, 0.09, "ground", 1)


def prototype(number: int, looks: int, count: int = 1) -> Prototype:
    """Return a prototype of a person."""
    east = CameraId("east")
    return Prototype(GlobalId(number), east, None, vector(looks), count, number)


def test_a_motion_begins_where_it_was_seen() -> None:
    """The first position is the state, with its covariance and no velocity."""
    motion = begin(HERE, S_NS, 1.2)
    assert motion.fix == HERE
    assert motion.velocity_mps == (0.0, 0.0)


def test_prediction_adds_doubt_and_never_goes_back() -> None:
    """Time grows the covariance; an earlier time changes nothing."""
    motion = begin(HERE, S_NS, 1.2)
    later = predict(motion, 2 * S_NS, 1.0)
    assert later.fix.xx_m2 == pytest.approx(0.04 + 1.44 + 1 / 3)
    assert predict(later, S_NS, 1.0) is later


def test_a_filter_learns_the_velocity() -> None:
    """Positions of a steady walker give the velocity within a few percent."""
    motion = None
    for step in range(30):
        fix = replace(HERE, x_m=0.1 * step, y_m=-0.05 * step)
        motion = follow(
            motion,
            fix,
            step * S_NS // 10,
            acceleration_mps2=1.0,
            speed_sigma_mps=1.2,
        )
    assert motion is not None
    assert motion.velocity_mps == pytest.approx((1.0, -0.5), abs=0.05)
    assert np.linalg.eigvalsh(motion.covariance).min() > 0


def test_another_floor_begins_anew() -> None:
    """A position on another level is no movement."""
    motion = begin(HERE, S_NS, 1.2)
    upstairs = replace(HERE, floor_id="upstairs", x_m=3.0)
    after = follow(
        motion, upstairs, 2 * S_NS, acceleration_mps2=1.0, speed_sigma_mps=1.2
    )
    assert after.fix == upstairs


def placement(distance_m: float) -> Placement:
    """Return two comparable tracks at a distance."""
    apart = ~np.eye(2, dtype=bool)
    points = np.array([[0.0, 0.0], [distance_m, 0.0]])
    return Placement(points, np.tile(0.04 * np.eye(2), (2, 1, 1)), apart)


def test_evidence_grows_with_time_and_not_with_the_frame_rate() -> None:
    """A second of proximity proves the same at 10 and at 30 frames a second."""
    results = []
    for rate in (10, 30):
        pairs = PairEvidence()
        pairs.rearrange([key("east", 1), key("west", 1)])
        for _ in range(2 * rate):
            pairs.observe(placement(0.0), 1.0 / rate, CONFIG)
        results.append(pairs.nats[0, 1])
    assert results[0] == pytest.approx(results[1], rel=0.05)
    assert results[0] > CONFIG.merge_evidence


def test_one_comparison_proves_little() -> None:
    """The first comparison stays below what confirms, the distant ones are bounded."""
    pairs = PairEvidence()
    pairs.rearrange([key("east", 1), key("west", 1)])
    pairs.observe(placement(0.0), 0.0, CONFIG)
    assert 0 < pairs.nats[0, 1] < CONFIG.confirm_evidence / 2
    for _ in range(1000):
        pairs.observe(placement(50.0), 1.0, CONFIG)
    assert pairs.nats[0, 1] >= -CONFIG.pair_evidence_limit


def test_rearranging_keeps_what_is_known_of_those_who_stay() -> None:
    """Evidence follows its tracks to other rows."""
    pairs = PairEvidence()
    east, north, west = key("east", 1), key("north", 1), key("west", 1)
    pairs.rearrange([east, west])
    pairs.observe(placement(0.0), 0.1, CONFIG)
    value = pairs.nats[0, 1]
    pairs.rearrange([east, north, west])
    assert pairs.nats[0, 2] == pairs.nats[2, 0] == value
    assert not pairs.known[1].any()


def test_appearance_says_nothing_at_the_match_similarity() -> None:
    """Evidence changes its sign at the embedder's match similarity."""
    similarity = np.array([[0.0, 0.6, 1.0]], np.float32)
    nats = similarity_evidence(similarity, np.array([[4.0]]), MODEL, CONFIG)
    assert nats[0, 1] == pytest.approx(0.0, abs=1e-6)
    assert nats[0, 0] < 0 < nats[0, 2]


def test_like_vectors_are_averaged_and_unlike_ones_kept_apart() -> None:
    """A track's prototypes are few, and stand for many vectors."""
    first, like, unlike = prototype(1, 1), prototype(2, 1), prototype(3, 2)
    averaged = learn([first], like, CONFIG)
    assert (averaged.prototype_id, averaged.count) == (1, 2)
    assert learn([first], unlike, CONFIG) is unlike
    crowded = learn([first, unlike], prototype(4, 3), CONFIG)
    assert crowded.count == 2
    assert np.linalg.norm(crowded.vector) == pytest.approx(1.0)


def test_opposite_vectors_leave_no_nan() -> None:
    """Where a mean has no direction, the newer vector takes the place of both."""
    first, other = prototype(1, 1), prototype(2, 2)
    opposite = replace(prototype(3, 1), vector=-first.vector)
    learned = learn([first, replace(other, vector=-other.vector)], opposite, CONFIG)
    assert np.isfinite(learned.vector).all()
    assert np.linalg.norm(learned.vector) == pytest.approx(1.0, abs=1e-6)
    alone = _averaged(first, opposite)
    assert (alone.vector == opposite.vector).all()


def test_a_person_keeps_the_prototypes_that_stand_for_most() -> None:
    """What stands for the fewest vectors is forgotten first."""
    few = replace(CONFIG, prototypes_per_person=2)
    many = [prototype(1, 1, count=5), prototype(2, 2), prototype(3, 3, count=9)]
    assert [one.prototype_id for one in surplus(many, few)] == [2]


def test_a_return_must_be_within_reach() -> None:
    """Near is evidence, far but reachable is little, out of reach is impossible."""
    left = begin(HERE, S_NS, 1.2)
    near = return_evidence(left, replace(HERE, x_m=0.3), 2 * S_NS, CONFIG)
    far = return_evidence(left, replace(HERE, x_m=20.0), 30 * S_NS, CONFIG)
    beyond = return_evidence(left, replace(HERE, x_m=40.0), 2 * S_NS, CONFIG)
    assert near is not None
    assert far is not None
    assert near > 0 > far > beyond == IMPLAUSIBLE


def test_ids_grow_and_hold_the_time() -> None:
    """Ids are positive, grow within a source, and begin with the milliseconds."""
    source = GlobalIdSource(lambda: EPOCH_MS + 5, lambda _: 7)
    first, second = source.draw(), source.draw()
    assert 0 < first < second < 2**63
    assert first >> 20 == 5
