"""How scores are fitted, and fits are read."""

from typing import Any

from grpc import aio

from services.reid.convert_identity import environment_from_proto
from services.reid.convert_score_fit import default_to_proto, fit_to_proto
from services.reid.domain.appearance import AppearanceModel
from services.reid.domain.score_likelihood import default_likelihood
from services.reid.service.embedding import Embedders
from services.reid.service.score_fitting import ScoreFits
from spoton.reid.v1 import score_fit_pb2 as pb
from spoton.reid.v1 import score_fit_pb2_grpc

Context = aio.ServicerContext[Any, Any]


class ScoreFitServicer(score_fit_pb2_grpc.ScoreFitServiceServicer):
    """Serves `spoton.reid.v1.ScoreFitService`."""

    def __init__(self, embedders: Embedders, fits: ScoreFits) -> None:
        self._embedders = embedders
        self._fits = fits

    async def FitScores(
        self, request: pb.FitScoresRequest, context: Context
    ) -> pb.FitScoresResponse:
        """Fit the scores of a site."""
        environment_id = environment_from_proto(request.environment_id)
        model = self._model(request.model_id)
        fit, stored = await self._fits.fit(
            environment_id, model, dry_run=request.dry_run
        )
        fitted_ns = stored.fitted_ns if stored else None
        return pb.FitScoresResponse(
            fit=fit_to_proto(environment_id, model.model_id, fit, fitted_ns)
        )

    async def GetScoreFit(
        self, request: pb.GetScoreFitRequest, context: Context
    ) -> pb.GetScoreFitResponse:
        """Read what scores are worth."""
        environment_id = environment_from_proto(request.environment_id)
        model = self._model(request.model_id)
        stored = await self._fits.stored(environment_id, model.model_id)
        if stored is None:
            likelihood = default_likelihood(model.match_similarity)
            fit = default_to_proto(environment_id, model.model_id, likelihood)
        else:
            fit = fit_to_proto(
                environment_id, model.model_id, stored.fit, stored.fitted_ns
            )
        return pb.GetScoreFitResponse(fit=fit)

    async def DeleteScoreFit(
        self, request: pb.DeleteScoreFitRequest, context: Context
    ) -> pb.DeleteScoreFitResponse:
        """Let the defaults hold again."""
        environment_id = environment_from_proto(request.environment_id)
        await self._fits.forget(environment_id, self._model(request.model_id).model_id)
        return pb.DeleteScoreFitResponse()

    def _model(self, model_id: str) -> AppearanceModel:
        return self._embedders.choose(model_id, field="model_id").model.appearance
