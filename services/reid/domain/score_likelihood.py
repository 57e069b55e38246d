"""What the score of two crops is worth as evidence.

A cosine is a correlation, and Fisher's transform, the inverse hyperbolic tangent, gives
it a nearly normal distribution of nearly equal spread wherever it lies (Fisher, "On the
probable error of a coefficient of correlation", 1921). For two normal classes of equal
spread the log-likelihood ratio is linear, here in the transform.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_MOST_SIMILAR = 0.999
"""Cosine beyond which vectors count as the same: the transform has no bound."""

DEFAULT_SLOPE_NATS = 6.0
"""What evidence gains from the match similarity to 1, were it to grow evenly with the
cosine. Measured for stripes on crops of three cameras: 6.5, and 4.6 with shifted
colours; networks are steeper."""

DEFAULT_LIMIT_NATS = 3.0
"""Chosen: without a fit, one look proves no more."""


def transformed(similarity: ArrayLike) -> NDArray[np.float64]:
    """Return Fisher's transform of cosines."""
    bounded = np.clip(similarity, -_MOST_SIMILAR, _MOST_SIMILAR)
    return np.arctanh(np.asarray(bounded, np.float64))


@dataclass(frozen=True, slots=True)
class ScoreLikelihood:
    """A log-likelihood ratio that grows with the cosine similarity.

    Attributes:
        even_similarity: Cosine that is as likely of one person as of two.
        slope_nats: Growth of the evidence with Fisher's transform, nats; at least 0.
        limit_nats: Most evidence of one score, for or against, nats; at least 0.
        gap: Distance between the means of one person and of two, as transforms; 0
            where it is not known.
    """

    even_similarity: float
    slope_nats: float
    limit_nats: float
    gap: float = 0.0

    def nats(self, similarity: ArrayLike) -> NDArray[np.float64]:
        """Return the evidence for "one person" of each similarity, nats.

        >>> ScoreLikelihood(0.5, 6.0, 2.0).nats([0.0, 0.5, 0.6, 1.0]).round(2).tolist()
        [-2.0, 0.0, 0.86, 2.0]
        """
        above = transformed(similarity) - transformed(self.even_similarity)
        return np.clip(self.slope_nats * above, -self.limit_nats, self.limit_nats)

    def probability(self, similarity: float) -> float:
        """Return how likely it is one person, if that was as likely as not before."""
        return 1.0 / (1.0 + math.exp(-float(self.nats(similarity))))


def default_likelihood(match_similarity: float) -> ScoreLikelihood:
    """Return what holds where nothing was fitted.

    Args:
        match_similarity: Cosine of the model that says nothing.
    """
    # The derivative of the transform is 1 / (1 - m^2).
    slope = DEFAULT_SLOPE_NATS * (1.0 + match_similarity)
    return ScoreLikelihood(match_similarity, slope, DEFAULT_LIMIT_NATS)
