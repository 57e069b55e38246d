"""What scores are worth: fits of made scores, and what cannot be fitted."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.errors import NotReady
from services.reid.domain.score_fit import LEAST_PAIRS, Fit
from services.reid.domain.score_fit import fit_scores as fit_with_intervals
from services.reid.domain.score_likelihood import ScoreLikelihood, default_likelihood
from services.reid.domain.score_pairs import PairKind, ScoredPair

fit_scores = partial(fit_with_intervals, draws=40)
DEFAULT = default_likelihood(0.5)
SIGMA = 0.1


def pairs_of(
    kind: PairKind, scores: np.ndarray, *, each: int = 1, name: str = ""
) -> list[ScoredPair]:
    """Return scores as pairs of tracks; `each` scores are of one pair."""
    name = name or kind
    return [
        ScoredPair(
            kind, float(score), f"{name}/a{index // each}", f"{name}/b{index}", 0
        )
        if each == 1
        else ScoredPair(
            kind,
            float(score),
            f"{name}/a{index // each}",
            f"{name}/b{index // each}",
            0,
        )
        for index, score in enumerate(scores)
    ]


def normal_fit(same: float, different: float, count: int, *, seed: int = 3) -> Fit:
    """Return the fit of two classes whose transforms are normal, of equal spread."""
    rng = np.random.default_rng(seed)
    return fit_scores(
        pairs_of(PairKind.ACROSS_CAMERAS, np.tanh(rng.normal(same, SIGMA, count)))
        + pairs_of(PairKind.AT_ONCE, np.tanh(rng.normal(different, SIGMA, count))),
        DEFAULT,
    )


@pytest.mark.parametrize("gap", [0.1, 0.2, 0.3])
def test_a_known_likelihood_is_recovered(gap: float) -> None:
    """For normal classes the ratio is a line in the transform, which is found."""
    middle = 0.45
    fit = normal_fit(middle + gap / 2, middle - gap / 2, 1000)
    assert fit.likelihood.slope_nats == pytest.approx(gap / SIGMA**2, rel=0.15)
    assert fit.likelihood.even_similarity == pytest.approx(np.tanh(middle), abs=0.015)
    assert fit.likelihood.gap == pytest.approx(gap, abs=0.015)
    # Phi(gap / (sigma sqrt 2)) and Phi(-gap / 2 sigma), by tables.
    area = {0.1: 0.7602, 0.2: 0.9214, 0.3: 0.9831}[gap]
    error = {0.1: 0.3085, 0.2: 0.1587, 0.3: 0.0668}[gap]
    assert fit.separation.area.value == pytest.approx(area, abs=0.02)
    assert fit.separation.area.low < area < fit.separation.area.high
    assert fit.separation.equal_error.value == pytest.approx(error, abs=0.03)
    assert fit.separation.fitted_bits < fit.separation.default_bits
    assert fit.separation.least_bits <= fit.separation.fitted_bits + 0.01
    assert sum(fit.same) == pytest.approx(1.0)
    assert sum(fit.different) == pytest.approx(1.0)


def test_more_of_one_class_moves_nothing() -> None:
    """The ratio does not depend on how often people meet."""
    rng = np.random.default_rng(5)
    fit = fit_scores(
        pairs_of(PairKind.ACROSS_CAMERAS, rng.normal(0.6, SIGMA, 100))
        + pairs_of(PairKind.AT_ONCE, rng.normal(0.4, SIGMA, 3000)),
        DEFAULT,
    )
    assert fit.likelihood.even_similarity == pytest.approx(0.5, abs=0.02)


def test_many_scores_of_one_pair_weigh_as_one() -> None:
    """A pair of tracks that is looked at for hours does not outweigh the others."""
    rng = np.random.default_rng(6)
    base = pairs_of(PairKind.ACROSS_CAMERAS, rng.normal(0.6, SIGMA, 100)) + pairs_of(
        PairKind.AT_ONCE, rng.normal(0.4, SIGMA, 100)
    )
    odd = pairs_of(PairKind.AT_ONCE, np.full(5000, 0.9), each=5000, name="odd")
    plain, biased = fit_scores(base, DEFAULT), fit_scores(base + odd, DEFAULT)
    assert biased.likelihood.even_similarity == pytest.approx(
        plain.likelihood.even_similarity, abs=0.02
    )
    assert biased.counts[PairKind.AT_ONCE] == (5100, 101)


def test_correlated_scores_do_not_make_an_interval_narrow() -> None:
    """Fifty scores each of thirty pairs tell as little as thirty pairs."""
    rng = np.random.default_rng(7)

    def clumped(kind: PairKind, centre: float, each: int) -> list[ScoredPair]:
        centres = np.repeat(rng.normal(centre, SIGMA, 30), each)
        return pairs_of(kind, centres + rng.normal(0, 0.01, len(centres)), each=each)

    few, many = (
        fit_scores(
            clumped(PairKind.ACROSS_CAMERAS, 0.58, each)
            + clumped(PairKind.AT_ONCE, 0.42, each),
            DEFAULT,
        ).separation.area
        for each in (2, 50)
    )
    assert many.high - many.low > 0.5 * (few.high - few.low)


def test_an_embedder_that_answers_the_same_for_everyone_carries_no_weight() -> None:
    """One score for all pairs is said to tell nobody apart."""
    fit = fit_scores(
        pairs_of(PairKind.WITHIN_TRACK, np.ones(50))
        + pairs_of(PairKind.AT_ONCE, np.ones(50)),
        DEFAULT,
    )
    assert fit.likelihood.nats([-1.0, 0.0, 1.0]).tolist() == [0.0, 0.0, 0.0]
    assert fit.separation.area.value == pytest.approx(0.5)
    assert "cannot tell people apart" in fit.verdict


@pytest.mark.parametrize("seed", range(3))
def test_scores_without_truth_carry_no_weight(seed: int) -> None:
    """Where both classes have one distribution, evidence is zero."""
    fit = normal_fit(0.5, 0.5, 200, seed=seed)
    assert fit.likelihood.limit_nats == 0.0
    assert "carry no weight" in fit.verdict


def test_scores_that_fall_with_likeness_carry_no_weight() -> None:
    """Evidence never falls with the score."""
    fit = normal_fit(0.3, 0.6, 200)
    assert fit.likelihood.slope_nats == 0.0


def test_few_pairs_say_little() -> None:
    """However well a score separates, no more is claimed than pairs can show."""
    fit = normal_fit(0.9, 0.1, LEAST_PAIRS)
    assert fit.likelihood.limit_nats == pytest.approx(np.log(LEAST_PAIRS + 1))
    assert normal_fit(0.9, 0.1, 500).likelihood.limit_nats > 5.0


@pytest.mark.parametrize(
    ("same", "different", "missing"),
    [(0, 0, "20 more pairs of one person"), (50, 3, "17 more pairs of two people")],
)
def test_too_few_pairs_are_refused(same: int, different: int, missing: str) -> None:
    """The error says what is missing, and of which kind."""
    pairs = pairs_of(PairKind.WITHIN_TRACK, np.linspace(0, 1, same)) + pairs_of(
        PairKind.REJECTED, np.linspace(0, 1, different)
    )
    with pytest.raises(NotReady, match=missing):
        fit_scores(pairs, DEFAULT)


def test_pairs_of_one_track_stand_back_where_cameras_overlap() -> None:
    """Easy pairs count only while there are too few others, and it is said."""
    rng = np.random.default_rng(8)
    easy = pairs_of(PairKind.WITHIN_TRACK, rng.normal(0.95, 0.01, 500))
    two = pairs_of(PairKind.AT_ONCE, rng.normal(0.4, SIGMA, 200))
    hard = pairs_of(PairKind.ACROSS_CAMERAS, rng.normal(0.6, SIGMA, 200))
    alone, both = (
        fit_scores(easy + two, DEFAULT),
        fit_scores(easy + hard + two, DEFAULT),
    )
    assert "inside tracks" in alone.verdict
    assert "inside tracks" not in both.verdict
    assert both.likelihood.even_similarity < alone.likelihood.even_similarity


@settings(max_examples=100, deadline=None)
@given(
    st.builds(
        ScoreLikelihood,
        st.floats(-1, 1),
        st.floats(0, 200),
        st.floats(0, 6),
    ),
    st.lists(st.floats(-1, 1), min_size=2),
)
def test_evidence_grows_with_likeness(
    likelihood: ScoreLikelihood, scores: list[float]
) -> None:
    """Neither evidence nor probability ever falls, and both have their bounds."""
    nats = likelihood.nats(sorted(scores))
    assert (np.diff(nats) >= 0).all()
    assert (np.abs(nats) <= likelihood.limit_nats).all()
    shares = [likelihood.probability(one) for one in sorted(scores)]
    assert shares == sorted(shares)
    assert all(0.0 <= one <= 1.0 for one in shares)
