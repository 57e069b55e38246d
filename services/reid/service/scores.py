"""What a similarity is worth, for whoever ranks by it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.common.ids import EnvironmentId, ModelId
from services.reid.domain.appearance import AppearanceModel

_SLOPE_NATS = 6.0
_MOST_NATS = 3.0


@dataclass(frozen=True, slots=True)
class Score:
    """What a similarity says for "the same person".

    Attributes:
        nats: Log-likelihood ratio.
    """

    nats: float

    @property
    def probability(self) -> float:
        """Probability, if it was as likely as not before, in [0, 1].

        >>> Score(0.0).probability
        0.5
        """
        return 1.0 / (1.0 + math.exp(-self.nats))


class ScoreMeaning(Protocol):
    """Knows what similarities are worth in an environment."""

    async def scores(
        self,
        environment_id: EnvironmentId,
        model_id: ModelId,
        similarities: Sequence[float],
    ) -> list[Score]:
        """Return what each similarity says.

        Raises:
            Unavailable: The database is away.
        """


class UnfittedScores:
    """What holds where nothing was fitted: a line through the match similarity.

    Args:
        models: The running embedders.
    """

    def __init__(self, models: Iterable[AppearanceModel]) -> None:
        self._match = {one.model_id: one.match_similarity for one in models}

    async def scores(
        self,
        environment_id: EnvironmentId,  # noqa: ARG002 - a fit may depend on it.
        model_id: ModelId,
        similarities: Sequence[float],
    ) -> list[Score]:
        """Return what each similarity says; one below the match says "another"."""
        even = self._match[model_id]
        return [
            Score(min(max(nats, -_MOST_NATS), _MOST_NATS))
            for nats in (_SLOPE_NATS * (s - even) / (1.0 - even) for s in similarities)
        ]
