"""What people look like: prototypes, and what a similarity is worth as evidence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.common.ids import CameraId, GlobalId, ModelId
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.likelihood import Likelihood, fisher
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

    def prior(self, config: AssociationConfig) -> Likelihood:
        """Return what is believed of its similarities before any was seen here.

        That is what was fitted at the site, or else what the match similarity says.
        """
        half, sigma = config.appearance_prior_half_gap, config.appearance_prior_sigma
        even, fitted = self.match_similarity, self.likelihood
        weight = config.appearance_prior_count
        if fitted is not None:
            even, weight = fitted.even_similarity, config.appearance_fit_count
            half = fitted.gap / 2 if fitted.gap > 0 else half
            if fitted.slope_nats > 0:
                # Two normal classes of equal spread: the slope is gap / sigma^2.
                sigma = (2 * half / fitted.slope_nats) ** 0.5
            else:
                half = 0.0
        middle = float(fisher(even))
        return Likelihood(
            different=middle - half,
            same=middle + half,
            sigma=sigma,
            within=float(np.tanh(middle + config.appearance_prior_within * half)),
            weight=weight,
        )


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
    own: Sequence[Prototype],
    seen: Prototype,
    likelihood: Likelihood,
    config: AssociationConfig,
) -> Prototype:
    """Return the prototype that a track's new vector changes or opens.

    A vector that looks like another person's opens a prototype of its own.

    Args:
        own: Prototypes of the track so far.
        seen: The new vector as a prototype of its own.
        likelihood: What similarities are worth.
        config: How many prototypes a track may have.
    """
    if not own:
        return seen
    similarities = np.stack([prototype.vector for prototype in own]) @ seen.vector
    best = int(np.argmax(similarities))
    count = np.array(float(own[best].count))
    alike = likelihood.evidence(similarities[best], count, np.array(1.0))
    if alike < 0.0 and len(own) < config.prototypes_per_track:
        return seen
    return averaged(own[best], seen, config)


def averaged(old: Prototype, seen: Prototype, config: AssociationConfig) -> Prototype:
    """Return `old` moved towards `seen`, which weighs at least a little."""
    weight = 1.0 / min(old.count + 1, config.appearance_full_count)
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
