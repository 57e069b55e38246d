"""Motion of all tracks at once, as Kalman filters.

A box is `x_centre, y_centre, width, height`. The centre moves with a velocity that
drifts (white noise acceleration; Bar-Shalom, Li and Kirubarajan 2001, section 6.2.2);
width and height wander. Nothing couples the four coordinates, so the 8x8 covariance of
the usual filter is exactly four 2x2 blocks, and every step is element-wise.

All noises are in multiples of the box height, which is about 1.7 m of a person, and
per second, so that the frame rate does not matter.

The state of N tracks is one array of shape (N, 5, 4), float64:
`[:, 0]` mean of the box in pixels, `[:, 1]` its rate in pixels per second, and
`[:, 2:]` the block's entries: variance of the mean, covariance, variance of the rate.
"""

import numpy as np

from services.tracker.domain.arrays import FloatArray

MEAN, RATE, VARIANCE, COVARIANCE, RATE_VARIANCE = range(5)

_MEASURED = np.array([0.05, 0.05, 0.05, 0.05])
_FIRST_RATE = np.array([0.7, 0.7, 0.0, 0.0])
_DRIFT_PER_ROOT_S = np.array([0.6, 0.6, 0.0, 0.0])
_WANDER_PER_ROOT_S = np.array([0.1, 0.1, 0.2, 0.2])


def begin(measured_px: FloatArray) -> FloatArray:
    """Return the states of tracks that begin with one measured box each.

    Args:
        measured_px: Boxes. Shape (N, 4).
    """
    height = measured_px[:, 3:]
    state = np.zeros((len(measured_px), 5, 4))
    state[:, MEAN] = measured_px
    state[:, VARIANCE] = (_MEASURED * height) ** 2
    state[:, RATE_VARIANCE] = (_FIRST_RATE * height) ** 2
    return state


def predict(state: FloatArray, elapsed_s: float) -> FloatArray:
    """Return the states after some time without a measurement."""
    mean, rate, variance, covariance, rate_variance = state.swapaxes(0, 1)
    height = mean[:, 3:]
    drift = (_DRIFT_PER_ROOT_S * height) ** 2 * elapsed_s
    wander = (_WANDER_PER_ROOT_S * height) ** 2 * elapsed_s
    later = np.empty_like(state)
    later[:, MEAN] = mean + elapsed_s * rate
    later[:, RATE] = rate
    later[:, VARIANCE] = (
        variance
        + elapsed_s * (2 * covariance + elapsed_s * (rate_variance + drift / 3))
        + wander
    )
    later[:, COVARIANCE] = covariance + elapsed_s * (rate_variance + drift / 2)
    later[:, RATE_VARIANCE] = rate_variance + drift
    return later


def correct(state: FloatArray, measured_px: FloatArray) -> FloatArray:
    """Return the states once each track has been measured.

    Args:
        state: Predicted states. Shape (N, 5, 4).
        measured_px: Boxes. Shape (N, 4).
    """
    mean, rate, variance, covariance, rate_variance = state.swapaxes(0, 1)
    noise = (_MEASURED * mean[:, 3:]) ** 2
    gain = variance / (variance + noise)
    rate_gain = covariance / (variance + noise)
    surprise = measured_px - mean
    better = np.empty_like(state)
    better[:, MEAN] = mean + gain * surprise
    better[:, RATE] = rate + rate_gain * surprise
    better[:, VARIANCE] = (1 - gain) * variance
    better[:, COVARIANCE] = (1 - gain) * covariance
    better[:, RATE_VARIANCE] = rate_variance - rate_gain * covariance
    return better
