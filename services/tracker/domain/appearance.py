"""What tracks look like, and how much that says.

Vectors have unit length; those of different models are never compared.
"""

from dataclasses import dataclass

import numpy as np

from services.common.ids import ModelId
from services.tracker.domain.arrays import (
    BoolArray,
    FloatArray,
    HalfArray,
    IntArray,
    VectorArray,
)

STRANGER_DISTANCE = 0.5
"""Cosine distance from which two vectors do not show the same person (BoT-SORT)."""
FIRST_SAME_DISTANCE = 0.1
"""Cosine distance between two pictures of one person until the camera taught better."""
_LEAST_SAME_DISTANCE = 0.01
_PENALTY = 0.2
"""Cost of looking worse by the usual distance between two pictures of one person."""
_MOST_PENALTY = 0.6
"""Motion that agrees perfectly is not overruled by looks alone."""
_SLOWEST_BLEND = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Appearance of some detections of one frame.

    Attributes:
        detection_indices: Their detections, each at most once. Shape (K,).
        values: Unit vectors. Shape (K, D).
        model_id: Model that made them; empty when K is 0.
    """

    detection_indices: IntArray
    values: VectorArray
    model_id: ModelId


NO_VECTORS = Vectors(np.empty(0, np.int64), np.empty((0, 0), np.float32), ModelId(""))


def cosine_distance(tracks: HalfArray, vectors: VectorArray) -> FloatArray:
    """Return 1 minus the cosine of each pair.

    Args:
        tracks: Unit vectors, or zeros where a track has none. Shape (N, D).
        vectors: Unit vectors. Shape (K, D).

    Returns:
        Distances in [0, 2]; NaN for tracks without a vector. Shape (N, K).
    """
    known = np.count_nonzero(tracks, axis=1) > 0
    distance = 1.0 - (tracks.astype(np.float32) @ vectors.T).astype(np.float64)
    return np.where(known[:, None], distance, np.nan)


def contrast(distance: FloatArray, possible: BoolArray) -> FloatArray:
    """Return how much worse each pair looks than the best that its members could have.

    A pair is compared with the best pair in its row or its column. A pair without an
    alternative has contrast 0, and so has one whose appearance is unknown.

    Args:
        distance: Cosine distances, NaN where unknown. Shape (N, K).
        possible: Pairs that the motion allows. Shape (N, K).

    Returns:
        Contrasts of at least 0. Shape (N, K).
    """
    usable = possible & np.isfinite(distance)
    candidates = np.where(usable, distance, np.inf)
    best_of_track = candidates.min(axis=1, keepdims=True, initial=np.inf)
    best_of_detection = candidates.min(axis=0, keepdims=True, initial=np.inf)
    best = np.minimum(best_of_track, best_of_detection)
    contrasts = np.zeros_like(distance)
    np.subtract(distance, best, out=contrasts, where=usable)
    return contrasts


def penalty(contrasts: FloatArray, same_distance: float) -> FloatArray:
    """Return what contrasts cost.

    Embedders differ in what a distance means: 0.2 may be a stranger for one and the
    same person for another. The unit is therefore the usual distance between two
    pictures of one person.

    Args:
        contrasts: Shape (N, K).
        same_distance: That usual distance.
    """
    unit = max(same_distance, _LEAST_SAME_DISTANCE)
    return np.minimum(_PENALTY / unit * contrasts, _MOST_PENALTY)


def learned_same_distance(
    same_distance: float, known: HalfArray, fresh: VectorArray
) -> float:
    """Return the usual distance after a few more pictures of known people.

    Args:
        same_distance: What it was taken to be.
        known: Averages of tracks. Shape (N, D).
        fresh: A new unit vector of each. Shape (N, D).
    """
    cosines = (known.astype(np.float32) * fresh).sum(axis=1).astype(np.float64)
    for distance in np.clip(1.0 - cosines, 1e-6, 2.0).tolist():
        same_distance += _SLOWEST_BLEND * (distance - same_distance)
    return same_distance


def blend(known: HalfArray, counts: IntArray, fresh: VectorArray) -> HalfArray:
    """Return the averages of tracks after one more vector each.

    The plain mean of the first vectors, later an exponential one. Half precision is
    plenty for a cosine, and makes checkpoints small without rounding them.

    Args:
        known: Averages so far, zeros for none. Shape (N, D).
        counts: How many vectors are in each. Shape (N,).
        fresh: New unit vectors. Shape (N, D).
    """
    weight = np.maximum(1.0 / (counts + 1), _SLOWEST_BLEND).astype(np.float32)[:, None]
    mixed = (1 - weight) * known.astype(np.float32) + weight * fresh
    length = np.linalg.norm(mixed, axis=1, keepdims=True)
    average: HalfArray = (mixed / np.maximum(length, 1e-6)).astype(np.float16)
    return average
