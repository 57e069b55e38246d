"""What a similarity is worth: fitted where there is a fit, learned while it runs.

The cosine of two vectors is a correlation, and Fisher's transform, the inverse
hyperbolic tangent, makes its spread nearly normal and nearly the same wherever it lies
(Fisher 1915). Two normal distributions of equal spread, one for two people and one for
one person, give a log-likelihood ratio that is linear in the transform.

Both distributions are learned online from what needs no label: tracks that one camera
sees at once are two people, and the vectors of one track are of one. An embedder that
finds everybody alike thereby loses its weight by itself.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.common.ids import ModelId

Matrix = NDArray[np.float64]

_MOST_SIMILAR = 0.999
"""Cosine from which vectors count as the same: the transform has no bound."""


def fisher(similarity: NDArray[np.floating] | float) -> Matrix:
    """Return Fisher's transform of cosines."""
    clipped = np.clip(similarity, -_MOST_SIMILAR, _MOST_SIMILAR)
    result: Matrix = np.arctanh(np.asarray(clipped, np.float64))
    return result


@dataclass(slots=True)
class Moments:
    """Count, mean and squared deviations of a quantity, the oldest slowly forgotten.

    Attributes:
        count: Weight of what was seen.
        mean: Its mean.
        squares: Sum of squared deviations from the mean.
    """

    count: float = 0.0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float, memory: float) -> None:
        """Take one more value; at most `memory` of them count."""
        if self.count >= memory:
            keep = (memory - 1.0) / self.count
            self.count, self.squares = self.count * keep, self.squares * keep
        self.count += 1.0
        step = value - self.mean
        self.mean += step / self.count
        self.squares += step * (value - self.mean)

    def mean_from(self, prior: float, weight: float) -> float:
        """Return the mean when a prior counts as `weight` values."""
        return (self.count * self.mean + weight * prior) / (self.count + weight)

    def variance_from(self, prior: float, weight: float) -> float:
        """Return the variance when a prior counts as `weight` values."""
        return (self.squares + weight * prior) / (self.count + weight)


@dataclass(slots=True)
class AppearanceStatistics:
    """How alike vectors turned out to be, in this timeline.

    Attributes:
        different: Fisher transforms, two people that one camera saw at once.
        within: Share of a vector that stays the same within a track, a correlation.
        model_id: Model of the vectors; empty before the first.
    """

    different: Moments = field(default_factory=Moments)
    within: Moments = field(default_factory=Moments)
    model_id: ModelId = field(default=ModelId(""))


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Distributions of the similarity of two single vectors.

    Attributes:
        different: Mean Fisher transform of two people.
        same: The same of one person in two tracks.
        sigma: Standard deviation of either.
        within: Correlation of two vectors of one track, at least that of two tracks.
        weight: Observations that this counts as when more are made.
    """

    different: float
    same: float
    sigma: float
    within: float
    weight: float

    @property
    def separation(self) -> float:
        """Distance of the two means, in standard deviations; 0 is of no use."""
        return max(0.0, self.same - self.different) / self.sigma

    def evidence(
        self,
        similarity: NDArray[np.floating],
        count: NDArray[np.floating],
        other: NDArray[np.floating],
    ) -> Matrix:
        """Return log-likelihood ratios for "the same person", nats.

        Means of several vectors of one person are more alike than single ones, as
        their noise averages out; those of two people are not.

        Args:
            similarity: Cosines of mean vectors.
            count: Vectors behind the one side, broadcast against `similarity`.
            other: The same of the other side.
        """
        same = self.expected(count, other)
        middle = (same + self.different) / 2
        slope = np.maximum(same - self.different, 0.0) / self.sigma**2
        result: Matrix = slope * (fisher(similarity) - middle)
        return result

    def expected(
        self, count: NDArray[np.floating], other: NDArray[np.floating]
    ) -> Matrix:
        """Return the mean Fisher transform of two means of one person."""
        apart = float(np.tanh(self.different))
        shared = max(float(np.tanh(self.same)) - apart, 0.0) / (1.0 - apart)
        within = max((self.within - apart) / (1.0 - apart), shared)
        noise = 1.0 - within
        size = (within + noise / np.maximum(count, 1.0)) * (
            within + noise / np.maximum(other, 1.0)
        )
        ratio = shared / np.sqrt(size)
        return fisher(apart + (1.0 - apart) * ratio)


def learned(prior: Likelihood, seen: AppearanceStatistics) -> Likelihood:
    """Return a likelihood after what was seen.

    Nobody is more alike in two tracks than within one: that bounds the prior.
    """
    weight = prior.weight
    within = seen.within.mean_from(prior.within, weight)
    variance = seen.different.variance_from(prior.sigma**2, weight)
    return Likelihood(
        different=seen.different.mean_from(prior.different, weight),
        same=min(prior.same, float(fisher(within))),
        sigma=float(np.sqrt(variance)),
        within=within,
        weight=weight + seen.different.count,
    )


def within_share(similarity: float, count: float) -> float:
    """Return the correlation of single vectors behind that of one with a mean.

    Solves s = w / sqrt(w + (1 - w) / n), the cosine of one vector with the mean of n
    that each share w with it, for w.
    """
    square = max(similarity, 0.0) ** 2
    linear = square * (1.0 - 1.0 / count)
    return (linear + float(np.sqrt(linear**2 + 4.0 * square / count))) / 2.0
