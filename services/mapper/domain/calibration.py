"""Calibrations: checked, made from points, and used."""

from dataclasses import dataclass, replace

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
    Lens,
    PointPair,
    Zone,
)
from services.mapper.domain.fitting import Fit, fit_homography
from services.mapper.domain.homography import (
    FloatArray,
    Homography,
    checked_homography,
)
from services.mapper.domain.lens import Optics, optics_of
from services.mapper.domain.polygon import is_simple

MAX_POINT_PAIRS = 1000
"""Most points that a calibration is fitted to."""

_ROWS = 33


@dataclass(frozen=True, slots=True)
class FittedCalibration:
    """A calibration made from points, and how each point fits."""

    calibration: Calibration
    fit: Fit


def geometry_of(
    calibration: Calibration, path: str
) -> tuple[Homography, Optics | None]:
    """Return how a calibrated picture shows the floor, checked.

    Returns:
        The homography and what to undo before it.

    Raises:
        InvalidInput: It is not usable; see `optics_of` and `checked_homography`.
    """
    size = calibration.image_size
    optics = _optics(calibration.lens, f"{path}.lens")
    pairs_px = _image_points(calibration.point_pairs)
    marked_px = _undistorted(pairs_px, optics, f"{path}.point_pairs")
    if optics is not None and not len(marked_px):
        marked_px = _lowest_shown(size, optics, f"{path}.lens")
    homography = checked_homography(
        calibration.image_to_floor,
        size.width,
        size.height,
        marked_px=marked_px,
        field=f"{path}.image_to_floor",
    )
    return homography, optics


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
    geometry_of(calibration, path)
    values = np.array(calibration.image_to_floor)
    return replace(calibration, image_to_floor=tuple((values / values[-1]).tolist()))


def fit_calibration(
    point_pairs: tuple[PointPair, ...],
    image_size: ImageSize,
    inlier_threshold_m: float,
    lens: Lens | None = None,
) -> FittedCalibration:
    """Fit a calibration to points, which are freed of the lens's distortion first.

    Raises:
        InvalidInput: A field is out of range or the points determine no usable
            homography; then it names `point_pairs`.
    """
    check_image_size(image_size, "image_size")
    check_positive(inlier_threshold_m, "inlier_threshold_m")
    check_count(point_pairs, 4, MAX_POINT_PAIRS, "point_pairs")
    _check_pairs(point_pairs, "point_pairs")
    optics = _optics(lens, "lens")
    image_px = _undistorted(_image_points(point_pairs), optics, "point_pairs")
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
        lens=lens,
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


def _optics(lens: Lens | None, path: str) -> Optics | None:
    return None if lens is None else optics_of(lens, path)


def _undistorted(points_px: FloatArray, optics: Optics | None, path: str) -> FloatArray:
    """Return undistorted pixels of point pairs; refuse what the lens cannot show."""
    if optics is None:
        return points_px
    undistorted_px, _ = optics.undistort(points_px)
    lost = np.isnan(undistorted_px[:, 0])
    if lost.any():
        message = "lies where the lens shows nothing"
        raise InvalidInput(message, field=f"{path}[{int(np.argmax(lost))}].image")
    return undistorted_px


def _lowest_shown(size: ImageSize, optics: Optics, path: str) -> FloatArray:
    """Return the lowest point of the middle column that the lens shows, undistorted."""
    rows = np.linspace(size.height, 0.0, _ROWS)
    column_px = np.column_stack([np.full(_ROWS, size.width / 2), rows])
    undistorted_px, _ = optics.undistort(column_px)
    shown = undistorted_px[~np.isnan(undistorted_px[:, 0])]
    if not len(shown):
        raise InvalidInput("shows nothing of the picture", field=path)
    return shown[:1]


def _check_pairs(pairs: tuple[PointPair, ...], path: str) -> None:
    for index, pair in enumerate(pairs):
        check_image_point(pair.image, f"{path}[{index}].image")
        check_finite(pair.floor.x_m, f"{path}[{index}].floor.x_m")
        check_finite(pair.floor.y_m, f"{path}[{index}].floor.y_m")
