"""What tracks look like, and how much that says.

Vectors have unit length; those of different models are never compared.
"""

from dataclasses import dataclass, field

import numpy as np

from services.common.errors import InvalidInput
from services.common.ids import ModelId
from services.tracker.domain.arrays import (
    BoolArray,
    FloatArray,
    HalfArray,
    IntArray,
    VectorArray,
)
from services.tracker.domain.familiarity import Familiarity, fisher

MOST_DIMENSIONS = 65536
_LEAST_UNIT = 0.01
_STRANGER = 3.0
"""Multiple of the usual distance from which a vector shows somebody else."""
_STRANGER_RANGE = (0.15, 0.9)
_SLOWEST_LEARNING = 0.02
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


def require_comparable(vectors: Vectors, model_id: ModelId, dimensions: int) -> None:
    """Return if vectors can be compared with those that the tracks hold.

    Raises:
        InvalidInput: They are of another model or length.
    """
    if not len(vectors.detection_indices):
        return
    if vectors.model_id != model_id:
        raise InvalidInput(
            f"the tracks' vectors are of {model_id!r}, these of {vectors.model_id!r}",
            field="embeddings[0].embedding.model_id",
        )
    if vectors.values.shape[1] != dimensions:
        raise InvalidInput(
            f"the tracks' vectors have {dimensions} dimensions, "
            f"these {vectors.values.shape[1]}",
            field="embeddings[0].embedding.values",
        )


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


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two pictures of one person are, to this model and camera.

    Embedders differ in what a distance means: 0.2 may be a stranger for one and the
    same person for another. So the tracker learns the unit from people it knows.

    Attributes:
        distance: Usual cosine distance of a picture from its person's average.
        pairs: Pictures from which it was learned; the first value counts as one.
    """

    distance: float = 0.1
    pairs: int = 1

    def penalty(self, contrasts: FloatArray) -> FloatArray:
        """Return what contrasts cost. Shape (N, K)."""
        unit = max(self.distance, _LEAST_UNIT)
        return np.minimum(_PENALTY / unit * contrasts, _MOST_PENALTY)

    def strangers(self, distance: FloatArray) -> BoolArray:
        """Return which pairs are too different to be one person.

        Args:
            distance: Cosine distances, NaN where unknown. Shape (N, K).
        """
        least, most = _STRANGER_RANGE
        return distance > min(max(_STRANGER * self.distance, least), most)

    def learned(self, known: HalfArray, fresh: VectorArray) -> "Likeness":
        """Return the likeness after a few more pictures of known people.

        Args:
            known: Averages of tracks. Shape (N, D).
            fresh: A new unit vector of each. Shape (N, D).
        """
        distance, pairs = self.distance, self.pairs
        cosines = (known.astype(np.float32) * fresh).sum(axis=1)
        for cosine in cosines.tolist():
            weight = max(1.0 / (pairs + 1), _SLOWEST_LEARNING)
            distance += weight * (max(1.0 - cosine, 0.0) - distance)
            pairs += 1
        return Likeness(distance, pairs)


@dataclass(frozen=True, slots=True)
class Looks:
    """What was learned about the vectors of a camera.

    Attributes:
        likeness: How alike two pictures of one person are.
        familiarity: How alike pictures are to their own track, and to others.
    """

    likeness: Likeness = field(default_factory=Likeness)
    familiarity: Familiarity = field(default_factory=Familiarity)

    def learned(
        self, known: HalfArray, fresh: VectorArray, of_others: FloatArray
    ) -> "Looks":
        """Return what is known after a few more pictures.

        Args:
            known: Averages of tracks. Shape (N, D).
            fresh: A new unit vector of each. Shape (N, D).
            of_others: Fisher transforms of pictures beside other people. Shape (M,).
        """
        cosines = (known.astype(np.float32) * fresh).sum(axis=1).astype(np.float64)
        return Looks(
            self.likeness.learned(known, fresh),
            self.familiarity.learned(fisher(cosines), of_others),
        )


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
