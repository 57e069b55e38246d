"""Domain to wire, for what scores are worth."""

from itertools import pairwise

from services.common.convert import ns_to_timestamp
from services.common.ids import EnvironmentId, ModelId
from services.reid.domain.score_fit import BINS, Estimate, Fit, Separation
from services.reid.domain.score_likelihood import ScoreLikelihood
from services.reid.domain.score_pairs import PairKind
from spoton.reid.v1 import score_fit_pb2 as pb

_KINDS = {
    PairKind.WITHIN_TRACK: pb.PAIR_KIND_WITHIN_TRACK,
    PairKind.ACROSS_CAMERAS: pb.PAIR_KIND_ACROSS_CAMERAS,
    PairKind.AT_ONCE: pb.PAIR_KIND_AT_ONCE,
    PairKind.APART_ON_FLOOR: pb.PAIR_KIND_APART_ON_FLOOR,
    PairKind.CONFIRMED: pb.PAIR_KIND_CONFIRMED,
    PairKind.REJECTED: pb.PAIR_KIND_REJECTED,
}
_DEFAULT_VERDICT = (
    "Nothing is fitted here: the defaults of the model hold, which were measured "
    "elsewhere, if at all."
)


def fit_to_proto(
    environment_id: EnvironmentId,
    model_id: ModelId,
    fit: Fit,
    fitted_ns: int | None,
) -> pb.ScoreFit:
    """Return the message of a fit.

    Args:
        environment_id: Environment.
        model_id: Model.
        fit: The fit.
        fitted_ns: When it was stored, nanoseconds since 1970 UTC; None if it was not.
    """
    edges = pairwise(BINS.tolist())
    shares = zip(edges, fit.same, fit.different, strict=True)
    message = pb.ScoreFit(
        environment_id=environment_id,
        model_id=model_id,
        likelihood=_likelihood_to_proto(fit.likelihood),
        fitted=True,
        counts=[
            pb.PairCount(kind=_KINDS[kind], scores=scores, pairs=pairs)
            for kind, (scores, pairs) in fit.counts.items()
            if scores
        ],
        histogram=[
            pb.HistogramBin(low=low, high=high, same=same, different=different)
            for (low, high), same, different in shares
            if same or different
        ],
        separation=_separation_to_proto(fit.separation),
        verdict=fit.verdict,
    )
    if fitted_ns is not None:
        message.fit_time.CopyFrom(ns_to_timestamp(fitted_ns))
    return message


def default_to_proto(
    environment_id: EnvironmentId, model_id: ModelId, likelihood: ScoreLikelihood
) -> pb.ScoreFit:
    """Return the message of the defaults."""
    return pb.ScoreFit(
        environment_id=environment_id,
        model_id=model_id,
        likelihood=_likelihood_to_proto(likelihood),
        verdict=_DEFAULT_VERDICT,
    )


def _likelihood_to_proto(likelihood: ScoreLikelihood) -> pb.ScoreLikelihood:
    return pb.ScoreLikelihood(
        even_similarity=likelihood.even_similarity,
        slope_nats=likelihood.slope_nats,
        limit_nats=likelihood.limit_nats,
    )


def _separation_to_proto(separation: Separation) -> pb.Separation:
    return pb.Separation(
        area_under_curve=_estimate_to_proto(separation.area),
        equal_error_rate=_estimate_to_proto(separation.equal_error),
        overlap=_estimate_to_proto(separation.overlap),
        fitted_cost_bits=separation.fitted_bits,
        default_cost_bits=separation.default_bits,
        least_cost_bits=separation.least_bits,
    )


def _estimate_to_proto(estimate: Estimate) -> pb.Estimate:
    return pb.Estimate(value=estimate.value, low=estimate.low, high=estimate.high)
