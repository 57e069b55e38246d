"""What a similarity is worth, for whoever ranks by it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.common.ids import EnvironmentId, ModelId


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
