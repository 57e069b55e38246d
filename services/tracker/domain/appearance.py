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

    Embedders differ in what a distance means: 0.2 may be a stranger for one and the
    same person for another. Only differences count here: a pair is compared with the
    best pair in its row and the best in its column. A pair without an alternative has
    contrast 0, and so has one whose appearance is unknown.

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
    contrasts = np.zeros_like(distance)
    np.subtract(
        distance,
        (best_of_track + best_of_detection) / 2,
        out=contrasts,
        where=usable,
    )
    return contrasts


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
