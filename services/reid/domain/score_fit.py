"""Fit scores of known pairs to a likelihood, and say how well they separate.

Scores of one pair of tracks resemble each other, so each pair of tracks weighs the
same however many scores it has, and intervals come from drawing tracks anew. Both
classes weigh the same, so that the logistic fit is the log-likelihood ratio.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import auc, roc_curve

from services.common.errors import NotReady
from services.reid.domain.score_likelihood import ScoreLikelihood, transformed
from services.reid.domain.score_pairs import PairKind, ScoredPair

Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_PAIRS = 20
"""Pairs of tracks that each class needs: as many support 3 nats, e^3 = 20, which is
what the defaults let one score say."""

BINS = np.linspace(-1.0, 1.0, 41)
_MOST_NATS = 6.0
_PRIOR_SLOPE = 5.0
"""Standard deviation of the slope's prior, per deviation of the scores. Two normal
classes that lie three deviations apart have 5.4."""

_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Separation:
    """How well scores tell people apart.

    Attributes:
        area: Probability that a pair of one person scores higher than one of two.
        equal_error: Share of errors where both kinds are as frequent.
        overlap: Share that the two histograms have in common.
        fitted_bits: Cost of the fit on tracks left out of it, bits per decision.
        default_bits: Cost of the defaults.
        least_bits: Least cost of any likelihood that grows with the score.
    """

    area: Estimate
    equal_error: Estimate
    overlap: Estimate
    fitted_bits: float
    default_bits: float
    least_bits: float


@dataclass(frozen=True, slots=True)
class Fit:
    """What a site's scores are worth.

    Attributes:
        likelihood: Evidence of a score.
        counts: By kind: scores, and pairs of tracks that they are of.
        same: Share of the pairs of one person in each of `BINS`.
        different: Likewise of two.
        separation: How well they separate.
        verdict: The same in a sentence or two.
    """

    likelihood: ScoreLikelihood
    counts: dict[PairKind, tuple[int, int]]
    same: tuple[float, ...]
    different: tuple[float, ...]
    separation: Separation
    verdict: str


@dataclass(frozen=True, slots=True)
class _Sample:
    """Scores as columns; each pair of tracks weighs 1 in all.

    Attributes:
        score: float64, shape (N,).
        same: bool, shape (N,).
        weight: float64, shape (N,).
        left: Number of one track, shape (N,).
        right: Number of the other.
        tracks: How many tracks there are.
    """

    score: Numbers
    same: Mask
    weight: Numbers
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    tracks: int

    def reweighted(self, factor: Numbers) -> "_Sample":
        """Return the scores that a factor leaves, weighing so much more."""
        kept = factor > 0
        return _Sample(
            self.score[kept],
            self.same[kept],
            (self.weight * factor)[kept],
            self.left[kept],
            self.right[kept],
            self.tracks,
        )

    @property
    def has_both(self) -> bool:
        """Whether there are pairs of one person and of two."""
        return bool(self.same.any() and not self.same.all())


def count_pairs(pairs: Sequence[ScoredPair]) -> dict[PairKind, tuple[int, int]]:
    """Return the scores and the pairs of tracks of each kind."""
    scores = dict.fromkeys(PairKind, 0)
    tracks: dict[PairKind, set[tuple[str, str]]] = {kind: set() for kind in PairKind}
    for one in pairs:
        scores[one.kind] += 1
        tracks[one.kind].add(_unordered(one))
    return {kind: (scores[kind], len(tracks[kind])) for kind in PairKind}


def fit_scores(
    pairs: Sequence[ScoredPair],
    default: ScoreLikelihood,
    *,
    draws: int = 200,
    seed: int = 1,
) -> Fit:
    """Fit what scores are worth.

    Pairs of one track are left out where enough others show one person: they are of
    one camera and light, and so easier than what the fit decides.

    Args:
        pairs: Scores whose truth is known.
        default: What holds without a fit, to compare.
        draws: Draws of tracks behind the intervals.
        seed: Starts them.

    Raises:
        NotReady: There are too few pairs.
    """
    counts = count_pairs(pairs)
    _require_enough(counts)
    hard = counts[PairKind.ACROSS_CAMERAS][1] + counts[PairKind.CONFIRMED][1]
    easy_only = hard < LEAST_PAIRS
    used = [one for one in pairs if easy_only or one.kind is not PairKind.WITHIN_TRACK]
    sample = _columns(used)
    rng = np.random.default_rng(seed)
    area, equal_error, overlap = _estimates(sample, draws, rng)
    likelihood = _likelihood(sample)
    if area.low <= 0.5:
        likelihood = ScoreLikelihood(likelihood.even_similarity, 0.0, 0.0)
    separation = Separation(
        area=area,
        equal_error=equal_error,
        overlap=overlap,
        fitted_bits=_cost_left_out(sample, rng),
        default_bits=_cost(sample, default.nats(sample.score)),
        least_bits=_least_cost(sample),
    )
    same, different = _histograms(sample)
    return Fit(
        likelihood=likelihood,
        counts=counts,
        same=tuple(same.tolist()),
        different=tuple(different.tolist()),
        separation=separation,
        verdict=_verdict(separation, easy_only=easy_only),
    )


def _require_enough(counts: dict[PairKind, tuple[int, int]]) -> None:
    """Return if each class has enough pairs of tracks.

    Raises:
        NotReady: It has not; the message says what is missing and how to get it.
    """
    same = sum(pairs for kind, (_, pairs) in counts.items() if kind.same)
    different = sum(pairs for kind, (_, pairs) in counts.items() if not kind.same)
    missing = []
    if same < LEAST_PAIRS:
        missing.append(
            f"{LEAST_PAIRS - same} more pairs of one person (tracks that last seconds, "
            "or are seen by two cameras in one place)"
        )
    if different < LEAST_PAIRS:
        missing.append(
            f"{LEAST_PAIRS - different} more pairs of two people (tracks that one "
            "camera sees at once, or two cameras in different places)"
        )
    if missing:
        raise NotReady(
            f"a fit needs {' and '.join(missing)}; let sessions with appearance run"
        )


def _unordered(one: ScoredPair) -> tuple[str, str]:
    return (one.left, one.right) if one.left <= one.right else (one.right, one.left)


def _columns(pairs: Sequence[ScoredPair]) -> _Sample:
    """Return pairs as columns."""
    names = [name for one in pairs for name in (one.left, one.right)]
    tracks, number = np.unique(names, return_inverse=True)
    groups = [(*_unordered(one), one.kind.same) for one in pairs]
    sizes: dict[tuple[str, str, bool], int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    return _Sample(
        score=np.array([one.score for one in pairs], np.float64),
        same=np.array([one.kind.same for one in pairs], np.bool_),
        weight=np.array([1.0 / sizes[group] for group in groups]),
        left=number[0::2],
        right=number[1::2],
        tracks=len(tracks),
    )


def _balanced(sample: _Sample) -> Numbers:
    """Return weights under which both classes weigh as much as the smaller one."""
    of_same = sample.weight[sample.same].sum()
    of_different = sample.weight[~sample.same].sum()
    least = min(of_same, of_different)
    factor = np.where(sample.same, least / of_same, least / of_different)
    balanced: Numbers = sample.weight * factor
    return balanced


def _likelihood(sample: _Sample) -> ScoreLikelihood:
    """Fit a line in Fisher's transform, drawn towards "says nothing".

    No score says more than as many pairs can support: the logarithm of their number.
    """
    weight, score = _balanced(sample), transformed(sample.score)
    centre = float(np.average(score, weights=weight))
    spread = float(np.sqrt(np.average((score - centre) ** 2, weights=weight)))
    if spread < 1e-6:  # One score for everybody.
        return ScoreLikelihood(float(np.tanh(centre)), 0.0, 0.0)
    # C is the variance of the prior; the loss is a sum over the pairs.
    model = LogisticRegression(C=_PRIOR_SLOPE**2)
    model.fit(((score - centre) / spread)[:, None], sample.same, weight)
    slope, offset = float(model.coef_[0, 0]) / spread, float(model.intercept_[0])
    if slope <= 0.0:
        return ScoreLikelihood(float(np.tanh(centre)), 0.0, 0.0)
    same, different = (
        float(np.average(score[mask], weights=weight[mask]))
        for mask in (sample.same, ~sample.same)
    )
    return ScoreLikelihood(
        even_similarity=float(np.tanh(centre - offset / slope)),
        slope_nats=slope,
        limit_nats=min(float(np.log1p(weight.sum() / 2.0)), _MOST_NATS),
        gap=same - different,
    )


def _estimates(sample: _Sample, draws: int, rng: np.random.Generator) -> list[Estimate]:
    """Return area, equal error and overlap with their intervals."""
    found = _measured(sample)
    redrawn = (_redrawn(sample, rng) for _ in range(draws))
    drawn = [_measured(one) for one in redrawn if one.has_both] or [found]
    lows, highs = np.percentile(drawn, [2.5, 97.5], axis=0)
    return [
        Estimate(value, min(float(low), value), max(float(high), value))
        for value, low, high in zip(found, lows, highs, strict=True)
    ]


def _redrawn(sample: _Sample, rng: np.random.Generator) -> _Sample:
    """Return the scores of as many tracks, drawn with replacement."""
    times = np.bincount(
        rng.integers(sample.tracks, size=sample.tracks), minlength=sample.tracks
    ).astype(np.float64)
    alone = sample.left == sample.right
    return sample.reweighted(
        times[sample.left] * np.where(alone, 1.0, times[sample.right])
    )


def _measured(sample: _Sample) -> tuple[float, float, float]:
    """Return the area under the curve, the equal error rate and the overlap."""
    false, true, _ = roc_curve(sample.same, sample.score, sample_weight=sample.weight)
    # False alarms less misses grow from -1 to 1.
    equal_error = float(np.interp(0.0, false + true - 1.0, false))
    overlap = float(np.minimum(*_histograms(sample)).sum())
    return float(auc(false, true)), equal_error, overlap


def _histograms(sample: _Sample) -> tuple[Numbers, Numbers]:
    """Return the shares of both classes in each of `BINS`."""
    shares = []
    for mask in (sample.same, ~sample.same):
        score = np.clip(sample.score[mask], -1.0, 1.0)
        count, _ = np.histogram(score, BINS, weights=sample.weight[mask])
        shares.append(count / count.sum())
    return shares[0], shares[1]


def _cost(sample: _Sample, nats: Numbers) -> float:
    """Return what a likelihood ratio costs, bits per decision, both classes equal.

    The cost C_llr of Brümmer and du Preez, "Application-independent evaluation of
    speaker detection", 2006.
    """
    signed = np.where(sample.same, -nats, nats)
    bits = np.logaddexp(0.0, signed) / np.log(2.0)
    halves = [
        np.average(bits[mask], weights=sample.weight[mask])
        for mask in (sample.same, ~sample.same)
    ]
    return float(np.mean(halves))


def _cost_left_out(sample: _Sample, rng: np.random.Generator) -> float:
    """Return the cost of fits on the tracks that each of them has not seen."""
    fold = rng.permutation(sample.tracks) % _FOLDS
    nats = np.zeros(len(sample.score))
    for number in range(_FOLDS):
        left, right = fold[sample.left] == number, fold[sample.right] == number
        rest = sample.reweighted((~left & ~right).astype(np.float64))
        if rest.has_both:
            nats[left] = _likelihood(rest).nats(sample.score[left])
    return _cost(sample, nats)


def _least_cost(sample: _Sample) -> float:
    """Return the cost of the best likelihood that grows with the score."""
    weight = _balanced(sample)
    best = IsotonicRegression(y_min=0.0, y_max=1.0)
    best.fit(sample.score, sample.same.astype(np.float64), weight)
    share = best.predict(sample.score)
    with np.errstate(divide="ignore"):
        return _cost(sample, np.log(share) - np.log1p(-share))


def _verdict(separation: Separation, *, easy_only: bool) -> str:
    """Return how well scores separate, in words."""
    area = separation.area
    if area.low <= 0.5:
        said = "The scores cannot tell people apart here and carry no weight"
    elif area.low < 0.7:
        said = "The scores hardly tell people apart here and carry little weight"
    elif area.low < 0.9:
        said = "The scores tell people apart in part: useful beside the floor"
    else:
        said = "The scores tell people apart well"
    told = (
        f"{said}. Of 100 pairs of one person {100 * area.value:.0f} score higher than "
        f"a pair of two people ({100 * area.low:.0f} to {100 * area.high:.0f}), and "
        f"{100 * separation.equal_error.value:.0f} of 100 decisions are wrong at the "
        "best threshold."
    )
    if easy_only:
        told += (
            " Pairs of one person are from inside tracks; expect less between cameras."
        )
    return told
