"""Fit, keep and use what scores are worth in an environment."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from services.common.ids import EnvironmentId, ModelId
from services.reid.domain.appearance import AppearanceModel
from services.reid.domain.score_fit import Fit, fit_scores
from services.reid.domain.score_likelihood import ScoreLikelihood, default_likelihood
from services.reid.domain.score_pairs import ScoredPair
from services.reid.service.scores import Score


@dataclass(frozen=True, slots=True)
class StoredFit:
    """A fit that is in force.

    Attributes:
        fit: The fit.
        fitted_ns: When it was made, nanoseconds since 1970 UTC.
    """

    fit: Fit
    fitted_ns: int


class FitTable(Protocol):
    """Keeps scores and fits."""

    async def pairs(
        self, environment_id: EnvironmentId, model_id: ModelId
    ) -> Sequence[ScoredPair]:
        """Return the scores that are kept.

        Raises:
            Unavailable: The database is away.
        """

    async def store_fit(
        self, environment_id: EnvironmentId, model_id: ModelId, fit: Fit
    ) -> StoredFit:
        """Make a fit the one in force.

        Raises:
            Unavailable: The database is away.
        """

    async def stored_fit(
        self, environment_id: EnvironmentId, model_id: ModelId
    ) -> StoredFit | None:
        """Return the fit in force; None for the defaults.

        Raises:
            Unavailable: The database is away.
        """

    async def delete_fit(
        self, environment_id: EnvironmentId, model_id: ModelId
    ) -> None:
        """Forget a fit, if there is one.

        Raises:
            Unavailable: The database is away.
        """


class ScoreFits:
    """Knows what scores are worth, by environment and model."""

    def __init__(self, table: FitTable) -> None:
        self._table = table

    async def likelihood(
        self, environment_id: EnvironmentId, model: AppearanceModel
    ) -> ScoreLikelihood:
        """Return what a score is worth: as fitted, or by default.

        Raises:
            Unavailable: The database is away.
        """
        stored = await self.stored(environment_id, model.model_id)
        if stored is not None:
            return stored.fit.likelihood
        return default_likelihood(model.match_similarity)

    async def fitted(
        self, environment_id: EnvironmentId, model: AppearanceModel
    ) -> AppearanceModel:
        """Return a model whose scores are worth what was fitted, if anything was.

        Raises:
            Unavailable: The database is away.
        """
        stored = await self.stored(environment_id, model.model_id)
        return replace(model, likelihood=stored.fit.likelihood) if stored else model

    async def stored(
        self, environment_id: EnvironmentId, model_id: ModelId
    ) -> StoredFit | None:
        """Return the fit in force; None for the defaults.

        Raises:
            Unavailable: The database is away.
        """
        return await self._table.stored_fit(environment_id, model_id)

    async def fit(
        self, environment_id: EnvironmentId, model: AppearanceModel, *, dry_run: bool
    ) -> tuple[Fit, StoredFit | None]:
        """Fit the scores that are kept.

        Returns:
            The fit, and the same as stored; None if it was to be tried only.

        Raises:
            NotReady: There are too few pairs.
            Unavailable: The database is away.
        """
        pairs = await self._table.pairs(environment_id, model.model_id)
        default = default_likelihood(model.match_similarity)
        fit = await asyncio.to_thread(fit_scores, pairs, default)
        if dry_run:
            return fit, None
        return fit, await self._table.store_fit(environment_id, model.model_id, fit)

    async def forget(self, environment_id: EnvironmentId, model_id: ModelId) -> None:
        """Let the defaults hold again.

        Raises:
            Unavailable: The database is away.
        """
        await self._table.delete_fit(environment_id, model_id)


class FittedScores:
    """Says what similarities are worth by the fit in force.

    Args:
        fits: Know it.
        models: The running embedders.
    """

    def __init__(self, fits: ScoreFits, models: Iterable[AppearanceModel]) -> None:
        self._fits = fits
        self._models = {one.model_id: one for one in models}

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
        model = self._models[model_id]
        likelihood = await self._fits.likelihood(environment_id, model)
        return [Score(nats) for nats in likelihood.nats(similarities).tolist()]
