"""Calibrations: checked, made from points, and used."""

from dataclasses import dataclass

import numpy as np

from services.common.errors import InvalidInput
from services.mapper.domain.checks import (
    check_count,
    check_finite,
    check_image_point,
    check_image_size,
    check_positive,
    check_text,
)
from services.mapper.domain.environment import (
    Calibration,
    ImageSize,
    PointPair,
    Zone,
)
from services.mapper.domain.fitting import Fit, fit_homography
from services.mapper.domain.homography import (
    FloatArray,
    Homography,
    checked_homography,
)
from services.mapper.domain.polygon import is_simple

MAX_POINT_PAIRS = 1000
"""Most points that a calibration is fitted to."""


@dataclass(frozen=True, slots=True)
class FittedCalibration:
    """A calibration made from points, and how each point fits."""

    calibration: Calibration
    fit: Fit


def homography_of(calibration: Calibration, path: str) -> Homography:
    """Return the homography of a calibration, checked.

    Raises:
        InvalidInput: It is not usable; see `checked_homography`.
    """
    size = calibration.image_size
    return checked_homography(
        calibration.image_to_floor,
        size.width,
        size.height,
        marked_px=_image_points(calibration.point_pairs),
        field=f"{path}.image_to_floor",
    )


def checked_calibration(calibration: Calibration, path: str) -> Calibration:
    """Return the calibration with its homography scaled as it is to be stored.

    Raises:
        InvalidInput: A field is out of range or the homography is not usable.
    """
    check_image_size(calibration.image_size, f"{path}.image_size")
    check_text(calibration.note, f"{path}.note")
    rms_m = calibration.residual_rms_m
    if rms_m is not None and not 0 <= rms_m < float("inf"):
        raise InvalidInput("must be 0 or more", field=f"{path}.residual_rms_m")
    check_count(calibration.point_pairs, 0, MAX_POINT_PAIRS, f"{path}.point_pairs")
    _check_pairs(calibration.point_pairs, f"{path}.point_pairs")
    homography_of(calibration, path)
    values = np.array(calibration.image_to_floor)
    return Calibration(
        image_to_floor=tuple((values / values[-1]).tolist()),
        image_size=calibration.image_size,
        point_pairs=calibration.point_pairs,
        residual_rms_m=rms_m,
        note=calibration.note,
    )


def fit_calibration(
    point_pairs: tuple[PointPair, ...], image_size: ImageSize, inlier_threshold_m: float
) -> FittedCalibration:
    """Fit a calibration to points.

    Raises:
        InvalidInput: A field is out of range or the points determine no usable
            homography; then it names `point_pairs`.
    """
    check_image_size(image_size, "image_size")
    check_positive(inlier_threshold_m, "inlier_threshold_m")
    check_count(point_pairs, 4, MAX_POINT_PAIRS, "point_pairs")
    _check_pairs(point_pairs, "point_pairs")
    image_px = _image_points(point_pairs)
    floor_m = np.array([(pair.floor.x_m, pair.floor.y_m) for pair in point_pairs])
    fit = fit_homography(image_px, floor_m, inlier_threshold_m, field="point_pairs")
    checked_homography(
        tuple(fit.matrix.ravel()),
        image_size.width,
        image_size.height,
        marked_px=image_px[fit.inliers],
        field="point_pairs",
    )
    calibration = Calibration(
        image_to_floor=tuple(fit.matrix.ravel().tolist()),
        image_size=image_size,
        point_pairs=point_pairs,
        residual_rms_m=fit.residual_rms_m,
    )
    return FittedCalibration(calibration, fit)


def check_zone_border(zone: Zone, path: str) -> None:
    """Refuse a zone whose border crosses or touches itself."""
    if not is_simple(corner_array(zone)):
        message = "cross or touch each other, or enclose nothing"
        raise InvalidInput(message, field=f"{path}.corners")


def corner_array(zone: Zone) -> FloatArray:
    """Return the corners of a zone, float64, shape (N, 2), floor frame, metres."""
    return np.array([(corner.x_m, corner.y_m) for corner in zone.corners])


def _image_points(pairs: tuple[PointPair, ...]) -> FloatArray:
    points = [(pair.image.x, pair.image.y) for pair in pairs]
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def _check_pairs(pairs: tuple[PointPair, ...], path: str) -> None:
    for index, pair in enumerate(pairs):
        check_image_point(pair.image, f"{path}[{index}].image")
        check_finite(pair.floor.x_m, f"{path}[{index}].floor.x_m")
        check_finite(pair.floor.y_m, f"{path}[{index}].floor.y_m")
