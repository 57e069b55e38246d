"""What people look like: prototypes, and what a similarity is worth as evidence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from services.common.ids import CameraId, GlobalId, ModelId
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.score_likelihood import ScoreLikelihood
from services.reid.domain.values import FloorFix, TrackKey, Vector


@dataclass(frozen=True, slots=True)
class AppearanceModel:
    """What the association must know about the embedder.

    Attributes:
        model_id: Name in the model registry.
        dimensions: Length of a vector.
        match_similarity: Cosine at which two crops are as likely of one person as of
            two, in (-1, 1).
        likelihood: What a score is worth where the vectors come from; None for the
            defaults.
    """

    model_id: ModelId
    dimensions: int
    match_similarity: float
    likelihood: ScoreLikelihood | None = None


@dataclass(frozen=True, slots=True)
class Prototype:
    """One way in which a person looks.

    Attributes:
        prototype_id: Never reused; sources draw it like a global id.
        camera_id: Camera that saw it.
        source: Live track that it comes from; None once the track has ended.
        vector: Mean of its vectors, unit length.
        count: Vectors that it stands for.
        captured_ns: When the newest of them was taken, nanoseconds since 1970 UTC.
        fix: Where the person stood then, as the camera saw it, if known.
    """

    prototype_id: GlobalId
    camera_id: CameraId
    source: TrackKey | None
    vector: Vector
    count: int
    captured_ns: int
    fix: FloorFix | None = None


def learn(
    own: Sequence[Prototype], seen: Prototype, config: AssociationConfig
) -> Prototype:
    """Return the prototype that a track's new vector changes or opens.

    Args:
        own: Prototypes of the track so far.
        seen: The new vector as a prototype of its own.
        config: When to average.
    """
    if not own:
        return seen
    similarities = np.stack([prototype.vector for prototype in own]) @ seen.vector
    best = int(np.argmax(similarities))
    crowded = len(own) >= config.prototypes_per_track
    if similarities[best] < config.prototype_merge_similarity and not crowded:
        return seen
    return _averaged(own[best], seen)


def _averaged(old: Prototype, seen: Prototype) -> Prototype:
    """Return `old` moved towards `seen`, which weighs at least a quarter."""
    weight = 1.0 / min(old.count + 1, 4)
    mean = (1.0 - weight) * old.vector.astype(np.float64) + weight * seen.vector
    length = float(np.linalg.norm(mean))
    # Opposite vectors have no mean direction.
    vector = seen.vector if length < 1e-6 else (mean / length).astype(np.float32)
    return replace(
        old,
        vector=vector,
        count=old.count + 1,
        captured_ns=seen.captured_ns,
        fix=seen.fix,
    )


def surplus(
    prototypes: Iterable[Prototype], config: AssociationConfig
) -> list[Prototype]:
    """Return the prototypes to forget so that a person keeps no more than allowed.

    Those that stand for the fewest vectors go first, of these the oldest.
    """
    ranked = sorted(
        prototypes,
        key=lambda one: (one.count, one.captured_ns, one.prototype_id),
    )
    return ranked[: max(0, len(ranked) - config.prototypes_per_person)]


def similarity_evidence(
    similarity: NDArray[np.float32],
    count: NDArray[np.float64],
    model: AppearanceModel,
    config: AssociationConfig,
) -> NDArray[np.float64]:
    """Return how much similarities say for "the same person".

    Args:
        similarity: Cosine of each comparison.
        count: Vectors of the track behind it; more make it weigh more, up to
            `appearance_full_count`, with half the weight at a quarter of it.
        model: Embedder that made the vectors.
        config: Slope and limits.

    Returns:
        Log-likelihood ratios, nats, of the same shape.
    """
    above = (similarity - model.match_similarity) / (1.0 - model.match_similarity)
    nats = (config.appearance_slope * above).astype(np.float64)
    if model.likelihood is not None:
        nats = model.likelihood.nats(similarity)
    each = np.clip(nats, -config.appearance_limit, config.appearance_limit)
    full = config.appearance_full_count
    result: NDArray[np.float64] = each * np.sqrt(np.minimum(count, full))
    return result
