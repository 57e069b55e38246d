"""What was learned about cameras and vectors, as JSON; see `live_state`.

State of the version before knew none of it, and is read as if nothing was learned.
"""

from typing import Any

import numpy as np

from services.common.ids import CameraId, ModelId
from services.reid.domain.disagreement import Disagreement, Disagreements
from services.reid.domain.likelihood import AppearanceStatistics, Moments
from services.reid.domain.spot import Spot

Json = dict[str, Any]


def floors_to_json(floors: Disagreements) -> list[Json]:
    """Return what is known of pairs of cameras."""
    return [
        {
            "cameras": pair,
            "origin_m": one.origin_m.tolist(),
            "revisions": one.revisions,
            "mean": one.mean.tolist(),
            "covariance": one.covariance.tolist(),
            "residuals_m2": one.residuals_m2,
            "looks": one.looks,
            "lag": [one.ahead_m2ps, one.speed_m2ps2],
        }
        for pair, one in sorted(floors.of_pair.items())
    ]


def floors_from_json(document: list[Json]) -> Disagreements:
    """Return what `floors_to_json` was given."""
    floors = Disagreements()
    for one in document:
        first, second = one["cameras"]
        old, new = one["revisions"]
        ahead_m2ps, speed_m2ps2 = one["lag"]
        floors.of_pair[CameraId(first), CameraId(second)] = Disagreement(
            origin_m=np.array(one["origin_m"]),
            revisions=(old, new),
            mean=np.array(one["mean"]),
            covariance=np.array(one["covariance"]),
            residuals_m2=one["residuals_m2"],
            looks=one["looks"],
            ahead_m2ps=ahead_m2ps,
            speed_m2ps2=speed_m2ps2,
        )
    return floors


def looks_to_json(looks: AppearanceStatistics) -> Json:
    """Return how alike vectors turned out to be."""
    return {
        "model": looks.model_id,
        "different": _moments_to_json(looks.different),
        "within": _moments_to_json(looks.within),
    }


def _moments_to_json(moments: Moments) -> list[float]:
    return [moments.count, moments.mean, moments.squares]


def looks_from_json(document: Json | None) -> AppearanceStatistics:
    """Return what `looks_to_json` was given; nothing yet for None."""
    if document is None:
        return AppearanceStatistics()
    return AppearanceStatistics(
        Moments(*document["different"]),
        Moments(*document["within"]),
        ModelId(document["model"]),
    )


def spot_to_json(spot: Spot) -> list[float]:
    """Return a spot."""
    return [
        spot.x_px,
        spot.y_px,
        spot.height_px,
        spot.time_ns,
        spot.x_per_s,
        spot.y_per_s,
    ]
