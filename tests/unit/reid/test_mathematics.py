"""Motion, evidence, appearance and ids."""

from dataclasses import replace

import numpy as np
import pytest

from services.common.ids import CameraId, GlobalId
from services.reid.domain.appearance import (
    Prototype,
    averaged,
    learn,
    surplus,
)
from services.reid.domain.evidence import PairEvidence, Placement
from services.reid.domain.global_ids import EPOCH_MS, GlobalIdSource
from services.reid.domain.likelihood import (
    AppearanceStatistics,
    Moments,
    learned,
    within_share,
)
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


def placement(distance_m: float, speed_mps: float = 1.4) -> Placement:
    """Return two comparable tracks at a distance."""
    apart = ~np.eye(2, dtype=bool)
    points = np.array([[0.0, 0.0], [distance_m, 0.0]])
    covariances = np.tile(0.04 * np.eye(2), (2, 1, 1))
    speeds = np.full(2, speed_mps)
    nothing = np.zeros((2, 2))
    return Placement(points, covariances, apart, speeds, np.zeros((2, 2, 2)), nothing)


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


def test_standing_side_by_side_proves_no_more_than_one_look() -> None:
    """Only in new places does evidence grow: neighbours are near in every frame."""
    still, walking = PairEvidence(), PairEvidence()
    for pairs, speed_mps in ((still, 0.0), (walking, 1.4)):
        pairs.rearrange([key("east", 1), key("west", 1)])
        for _ in range(100):
            pairs.observe(placement(0.3, speed_mps), 0.1, CONFIG)
    assert still.nats[0, 1] <= CONFIG.floor_evidence_limit < walking.nats[0, 1]


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
    """With nothing learned, single vectors change sign at the match similarity."""
    similarity, one = np.array([0.0, 0.6, 1.0]), np.array(1.0)
    nats = MODEL.prior(CONFIG).evidence(similarity, one, one)
    assert nats[1] == pytest.approx(0.0, abs=1e-6)
    assert nats[0] < 0 < nats[2]


def test_means_of_many_vectors_are_expected_to_be_more_alike() -> None:
    """What would be convincing of single vectors is not of means of many."""
    likelihood = MODEL.prior(CONFIG)
    single, many = np.array(1.0), np.array(16.0)
    similarity = np.array(0.7)
    of_single = likelihood.evidence(similarity, single, single)
    assert likelihood.evidence(similarity, many, many) < of_single


def test_an_embedder_that_finds_all_alike_loses_its_weight() -> None:
    """Where strangers are as alike as one person's vectors, appearance says nothing."""
    seen = AppearanceStatistics(Moments(500.0, 3.7, 1.0), Moments(500.0, 0.999, 0.0))
    blind = learned(MODEL.prior(CONFIG), seen)
    nats = blind.evidence(np.array(1.0), np.array(8.0), np.array(8.0))
    assert nats == pytest.approx(0.0)
    assert blind.separation == 0.0


def test_the_correlation_within_a_track_is_found_from_its_mean() -> None:
    """The cosine with a mean of n gives back the correlation of single vectors."""
    for share, count in ((0.3, 1.0), (0.3, 8.0), (0.8, 3.0)):
        cosine = share / np.sqrt(share + (1 - share) / count)
        assert within_share(float(cosine), count) == pytest.approx(share)


def test_moments_forget_the_oldest() -> None:
    """Mean and variance are those of what was seen, and follow a change."""
    moments = Moments()
    for value in [1.0, 3.0] * 50:
        moments.add(value, memory=1000.0)
    assert moments.mean == pytest.approx(2.0)
    assert moments.variance_from(0.0, 0.0) == pytest.approx(1.0)
    for _ in range(500):
        moments.add(7.0, memory=50.0)
    assert moments.mean == pytest.approx(7.0, abs=0.01)


def test_like_vectors_are_averaged_and_unlike_ones_kept_apart() -> None:
    """A track's prototypes are few, and stand for many vectors."""
    two = replace(CONFIG, prototypes_per_track=2)
    likelihood = MODEL.prior(two)
    first, like, unlike = prototype(1, 1), prototype(2, 1), prototype(3, 2)
    mean = learn([first], like, likelihood, two)
    assert (mean.prototype_id, mean.count) == (1, 2)
    assert learn([first], unlike, likelihood, two) is unlike
    crowded = learn([first, unlike], prototype(4, 3), likelihood, two)
    assert crowded.count == 2
    assert np.linalg.norm(crowded.vector) == pytest.approx(1.0)


def test_opposite_vectors_leave_no_nan() -> None:
    """Where a mean has no direction, the newer vector takes the place of both."""
    first, other = prototype(1, 1), prototype(2, 2)
    opposite = replace(prototype(3, 1), vector=-first.vector)
    own = [first, replace(other, vector=-other.vector)]
    kept = learn(own, opposite, MODEL.prior(CONFIG), CONFIG)
    assert np.isfinite(kept.vector).all()
    assert np.linalg.norm(kept.vector) == pytest.approx(1.0, abs=1e-6)
    alone = averaged(first, opposite, CONFIG)
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
