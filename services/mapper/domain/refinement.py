"""Least squares on the floor, by Levenberg-Marquardt (H&Z appendix 6.2)."""

import numpy as np

from services.mapper.domain.direct_linear import normalisation
from services.mapper.domain.homography import FloatArray, Homography

_MAX_STEPS = 30
_FIRST_DAMPING = 1e-3
_RELATIVE_GAIN = 1e-12


def refine(matrix: FloatArray, image_px: FloatArray, floor_m: FloatArray) -> FloatArray:
    """Return the homography near `matrix` with the least squared distances.

    Works in normalised coordinates with the last value fixed at 1, which is safe
    there: the points' centre is mapped to a finite place.

    Args:
        matrix: float64, shape (3, 3), positive in the third coordinate at the points.
        image_px: float64, shape (N, 2), image frame, N >= 4.
        floor_m: float64, shape (N, 2), floor frame.

    Returns:
        float64, shape (3, 3), oriented as `matrix`.
    """
    to_unit_px = normalisation(image_px[None])[0]
    to_unit_m = normalisation(floor_m[None])[0]
    unit = to_unit_m @ matrix @ np.linalg.inv(to_unit_px)
    unit_px = Homography(to_unit_px).map_points(image_px)
    unit_m = Homography(to_unit_m).map_points(floor_m)
    best = _descend((unit / unit[2, 2]).ravel()[:8], unit_px, unit_m)
    refined: FloatArray = np.linalg.inv(to_unit_m) @ _matrix(best) @ to_unit_px
    return refined


def _descend(start: FloatArray, image: FloatArray, floor: FloatArray) -> FloatArray:
    best, damping = start, _FIRST_DAMPING
    residuals = _residuals(best, image, floor)
    cost = residuals @ residuals
    for _ in range(_MAX_STEPS):
        derivative = _derivative(best, image)
        normal = derivative.T @ derivative
        damped = normal + damping * np.diag(np.diag(normal))
        step = np.linalg.lstsq(damped, derivative.T @ residuals, rcond=None)[0]
        trial_residuals = _residuals(best - step, image, floor)
        trial_cost = trial_residuals @ trial_residuals
        if not trial_cost < cost:
            damping *= 10.0
            continue
        gain = cost - trial_cost
        best, residuals, cost = best - step, trial_residuals, trial_cost
        damping /= 10.0
        if gain <= _RELATIVE_GAIN * cost:
            break
    return best


def _matrix(parameters: FloatArray) -> FloatArray:
    return np.append(parameters, 1.0).reshape(3, 3)


def _residuals(
    parameters: FloatArray, image: FloatArray, floor: FloatArray
) -> FloatArray:
    """Return mapped minus given coordinates, shape (2 N,); NaN beyond the horizon."""
    mapped = Homography(_matrix(parameters)).map_points(image)
    return (mapped - floor).ravel()


def _derivative(parameters: FloatArray, image: FloatArray) -> FloatArray:
    """Return d(residuals)/d(parameters), shape (2 N, 8)."""
    homography = Homography(_matrix(parameters))
    depth = homography.homogeneous(image)[:, 2:]
    mapped = homography.map_points(image)
    unit = np.column_stack([image, np.ones(len(image))]) / depth
    rows = np.zeros((len(image), 2, 8))
    rows[:, 0, 0:3] = unit
    rows[:, 1, 3:6] = unit
    rows[:, :, 6:8] = -mapped[:, :, None] * unit[:, None, :2]
    return rows.reshape(-1, 8)
