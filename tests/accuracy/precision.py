"""Average precision of a detector at an overlap of one half.

As Pascal VOC defines it since 2010: detections of all pictures in the order of their
scores, each matched to the annotated box that it overlaps most; the area under the
precision that is made monotone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.geometry import Boxes, overlap

LEAST_OVERLAP = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What was found in one picture, beside what is there.

    Attributes:
        found: Boxes found, shape (N, 4), pixels.
        scores: Their scores, shape (N,).
        people: Boxes of people, shape (M, 4), pixels.
        ignored: Boxes of people who may be found or not, shape (K, 4), pixels.
    """

    found: Boxes
    scores: NDArray[np.float32]
    people: Boxes
    ignored: Boxes


@dataclass(frozen=True, slots=True)
class Precision:
    """How well people were found.

    Attributes:
        ap50: Average precision at an overlap of one half, [0, 1].
        best_f1: Largest harmonic mean of precision and recall, [0, 1].
        best_score: Score from which detections count, where that is reached.
    """

    ap50: float
    best_f1: float
    best_score: float


def precision_of(pictures: Sequence[Compared]) -> Precision:
    """Return how well the people of all pictures together were found."""
    people = sum(len(picture.people) for picture in pictures)
    outcomes = [outcome for picture in pictures for outcome in _outcomes(picture)]
    if not people or not outcomes:
        return Precision(0.0, 0.0, 0.0)
    scores, right = np.array(sorted(outcomes, reverse=True)).T
    hits = np.cumsum(right)
    recall, precision = hits / people, hits / np.arange(1, len(hits) + 1)
    monotone = np.maximum.accumulate(precision[::-1])[::-1]
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    best = int(f1.argmax())
    return Precision(
        float((np.diff(recall, prepend=0.0) * monotone).sum()),
        float(f1[best]),
        float(scores[best]),
    )


def _outcomes(picture: Compared) -> list[tuple[float, float]]:
    """Return the score of each detection that counts, and 1 if it is a person."""
    everybody = np.concatenate([picture.people, picture.ignored])
    free = np.ones(len(everybody), bool)
    outcomes = []
    for index in np.argsort(-picture.scores, kind="stable"):
        shared = overlap(picture.found[index], everybody) * free
        best = int(shared.argmax()) if len(shared) else 0
        is_match = len(shared) > 0 and shared[best] >= LEAST_OVERLAP
        if is_match:
            free[best] = False
        if not is_match or best < len(picture.people):
            outcomes.append((float(picture.scores[index]), float(is_match)))
    return outcomes
