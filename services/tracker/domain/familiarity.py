"""Whether a track still shows the person that it began with.

Trackers go over from one person to another where the two cross. Motion cannot tell;
appearance can, once it was seen a few times after the crossing. Evidence is summed as
in Page's test (Page 1954: Continuous inspection schemes): what speaks for the same
person is forgotten at zero, what speaks against it adds up.

Cosines are compared after Fisher's transform, which makes their spread nearly the same
everywhere. How alike one person's pictures are, and two persons', is learned from the
camera itself: a frame shows nobody twice.
"""

from dataclasses import dataclass, replace

import numpy as np

from services.tracker.domain.arrays import BoolArray, FloatArray

DOUBT = 4.0
"""Evidence that a track went over to somebody else, nats: likelier by e^4 = 55."""
_MOST_EVIDENCE = 3.0
"""Of one picture, nats: no single one may cut a track."""
_INDEPENDENCE = 0.5
"""Share of a picture's evidence that the one before does not have, chosen."""
_LEAST_SEPARATION = 1.0
"""Standard deviations between the two means below which a model tells nothing."""
_MOST_SIMILAR = 0.999
_PRIOR_PAIRS = 10
_LEAST_PAIRS = 40
"""Pairs of either kind before which nothing is said: priors alone cut no track."""
_SLOWEST = 0.002


def fisher(cosines: FloatArray) -> FloatArray:
    """Return Fisher's transform of cosines; NaN stays NaN."""
    transformed: FloatArray = np.arctanh(
        np.clip(cosines, -_MOST_SIMILAR, _MOST_SIMILAR)
    )
    return transformed


@dataclass(frozen=True, slots=True)
class Familiarity:
    """Fisher transforms of cosines between a picture and the mean of a track.

    The first values are typical of re-identification networks, and count little.

    Attributes:
        same: Mean of one person.
        different: Mean of two people.
        variance: Around either mean.
        same_pairs: Pairs behind `same`; the first values count as a few.
        different_pairs: Pairs behind the other two.
    """

    same: float = 1.1
    different: float = 0.5
    variance: float = 0.04
    same_pairs: int = _PRIOR_PAIRS
    different_pairs: int = _PRIOR_PAIRS

    def evidence(self, transformed: FloatArray) -> FloatArray:
        """Return what speaks for the same person, nats; 0 where it is unknown."""
        gap = self.same - self.different
        if min(self.same_pairs, self.different_pairs) < _LEAST_PAIRS or (
            gap < _LEAST_SEPARATION * self.variance**0.5
        ):
            return np.zeros_like(transformed)
        nats = gap / self.variance * (transformed - (self.same + self.different) / 2)
        return np.nan_to_num(np.clip(nats, -_MOST_EVIDENCE, _MOST_EVIDENCE))

    def learned(self, same: FloatArray, different: FloatArray) -> "Familiarity":
        """Return the familiarity after more pairs, Fisher transforms."""
        now = self
        for value in same.tolist():
            pairs = now.same_pairs + 1
            weight = max(1.0 / pairs, _SLOWEST)
            mean = now.same + weight * (value - now.same)
            now = replace(now, same=mean, same_pairs=pairs)
        for value in different.tolist():
            pairs = now.different_pairs + 1
            weight = max(1.0 / pairs, _SLOWEST)
            step = value - now.different
            now = replace(
                now,
                different=now.different + weight * step,
                variance=now.variance
                + weight * ((1 - weight) * step**2 - now.variance),
                different_pairs=pairs,
            )
        return now


def doubted(doubts: FloatArray, nats: FloatArray) -> FloatArray:
    """Return how much speaks for another person after one more picture each, nats."""
    return np.maximum(doubts - _INDEPENDENCE * nats, 0.0)


def gone_over(doubts: FloatArray) -> BoolArray:
    """Return which tracks show somebody else by now."""
    return doubts >= DOUBT
