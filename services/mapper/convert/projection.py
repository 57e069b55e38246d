"""The hot path: wire to domain and back."""

from collections.abc import Sequence

import numpy as np

from services.common.errors import InvalidInput
from services.mapper.domain.projection import FootPoints, Outcome
from services.mapper.service.projection import Located
from spoton.common.v1 import geometry_pb2
from spoton.mapper.v1 import mapper_pb2

MAX_POINTS = 10_000
"""Most foot points of one request."""

_REASONS = {
    Outcome.NOT_VISIBLE: mapper_pb2.UNLOCATED_REASON_NOT_VISIBLE,
    Outcome.OUTSIDE_LENS: mapper_pb2.UNLOCATED_REASON_OUTSIDE_LENS,
    Outcome.HORIZON: mapper_pb2.UNLOCATED_REASON_HORIZON,
    Outcome.UNCERTAIN: mapper_pb2.UNLOCATED_REASON_UNCERTAIN,
}


def foot_points_from_proto(messages: Sequence[geometry_pb2.FootPoint]) -> FootPoints:
    """Return foot points as arrays.

    Raises:
        InvalidInput: There are too many, or one has a value that is not finite, a
            sigma that is not positive, or a visibility outside [0, 1].
    """
    if len(messages) > MAX_POINTS:
        message = f"has more than {MAX_POINTS} points"
        raise InvalidInput(message, field="foot_points")
    values = np.array(
        [(one.point.x, one.point.y, one.sigma_px, one.visibility) for one in messages],
        dtype=np.float64,
    ).reshape(-1, 4)
    sigmas_px, visibilities = values[:, 2], values[:, 3]
    for usable, name, wanted in (
        (np.isfinite(values[:, :2]).all(axis=1), "point", "finite"),
        ((sigmas_px > 0) & np.isfinite(sigmas_px), "sigma_px", "larger than 0"),
        ((visibilities >= 0) & (visibilities <= 1), "visibility", "in [0, 1]"),
    ):
        if not usable.all():
            field = f"foot_points[{int(np.argmin(usable))}].{name}"
            raise InvalidInput(f"must be {wanted}", field=field)
    return FootPoints(values[:, :2], sigmas_px, visibilities)


def located_to_proto(located: Located) -> list[mapper_pb2.ProjectedPoint]:
    """Return one message for each foot point, its position or why it has none."""
    positions = located.positions
    return [
        mapper_pb2.ProjectedPoint(
            position=geometry_pb2.FloorPosition(
                point=geometry_pb2.FloorPoint(x_m=point_m[0], y_m=point_m[1]),
                covariance=geometry_pb2.FloorCovariance(
                    xx_m2=covariance_m2[0][0],
                    xy_m2=covariance_m2[0][1],
                    yy_m2=covariance_m2[1][1],
                ),
                floor_id=located.floor_id,
                calibration_revision=located.calibration_revision,
            )
        )
        if outcome == Outcome.LOCATED
        else mapper_pb2.ProjectedPoint(unlocated_reason=_REASONS[outcome])
        for point_m, covariance_m2, outcome in zip(
            positions.points_m.tolist(),
            positions.covariances_m2.tolist(),
            positions.outcomes.tolist(),
            strict=True,
        )
    ]
