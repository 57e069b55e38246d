"""What the score of two crops is worth as evidence."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class ScoreLikelihood:
    """A log-likelihood ratio that grows with the cosine similarity.

    Attributes:
        even_similarity: Cosine that is as likely of one person as of two.
        slope_nats: Growth of the evidence with the cosine, nats; at least 0.
        limit_nats: Most evidence of one score, for or against, nats; at least 0.
    """

    even_similarity: float
    slope_nats: float
    limit_nats: float

    def nats(self, similarity: ArrayLike) -> NDArray[np.float64]:
        """Return the evidence for "one person" of each similarity, nats.

        >>> ScoreLikelihood(0.5, 6.0, 2.0).nats([0.5, 0.6, 1.0]).round(3).tolist()
        [0.0, 0.6, 2.0]
        """
        above = np.asarray(similarity, np.float64) - self.even_similarity
        bounded: NDArray[np.float64] = np.clip(
            self.slope_nats * above, -self.limit_nats, self.limit_nats
        )
        return bounded

    def probability(self, similarity: float) -> float:
        """Return how likely it is one person, if that was as likely as not before."""
        return 1.0 / (1.0 + math.exp(-float(self.nats(similarity))))


def default_likelihood(
    match_similarity: float, slope: float, limit: float
) -> ScoreLikelihood:
    """Return what holds where nothing was fitted.

    Args:
        match_similarity: Cosine of the model that says nothing.
        slope: Evidence of a cosine of 1, nats.
        limit: Most evidence of one score, nats.
    """
    return ScoreLikelihood(match_similarity, slope / (1.0 - match_similarity), limit)
