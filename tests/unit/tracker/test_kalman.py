"""The vectorised filter against the textbook."""

import numpy as np

from services.tracker.domain import kalman


def _textbook(boxes_px: np.ndarray, elapsed_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (8,) and covariance (8, 8) of one track, by matrices."""
    height = boxes_px[0, 3]
    mean = np.concatenate((boxes_px[0], np.zeros(4)))
    first = np.concatenate((kalman._MEASURED, kalman._FIRST_RATE)) * height
    covariance = np.diag(first**2)
    move = np.eye(8)
    move[:4, 4:] = elapsed_s * np.eye(4)
    see = np.eye(4, 8)
    for measured in boxes_px[1:]:
        drift = np.diag((kalman._DRIFT_PER_ROOT_S * mean[3]) ** 2)
        wander = np.diag((kalman._WANDER_PER_ROOT_S * mean[3]) ** 2)
        noise = np.block(
            [
                [
                    drift * elapsed_s**3 / 3 + wander * elapsed_s,
                    drift * elapsed_s**2 / 2,
                ],
                [drift * elapsed_s**2 / 2, drift * elapsed_s],
            ]
        )
        mean = move @ mean
        covariance = move @ covariance @ move.T + noise
        sensor = np.diag((kalman._MEASURED * mean[3]) ** 2)
        gain = covariance @ see.T @ np.linalg.inv(see @ covariance @ see.T + sensor)
        mean = mean + gain @ (measured - see @ mean)
        covariance = (np.eye(8) - gain @ see) @ covariance
    return mean, covariance


def test_all_tracks_at_once_equal_one_track_by_matrices() -> None:
    """Every track ends where the 8x8 filter, run for it alone, ends."""
    random = np.random.default_rng(1)
    steps, elapsed_s = 20, 0.13
    walk = np.cumsum(random.normal(0, 5, (steps, 7, 4)), axis=0)
    boxes_px = walk + np.array([800, 500, 60, 150])
    state = kalman.begin(boxes_px[0])
    for measured in boxes_px[1:]:
        state = kalman.correct(kalman.predict(state, elapsed_s), measured)
    for track in range(7):
        mean, covariance = _textbook(boxes_px[:, track], elapsed_s)
        np.testing.assert_allclose(state[track, kalman.MEAN], mean[:4])
        np.testing.assert_allclose(state[track, kalman.RATE], mean[4:], atol=1e-9)
        blocks = (
            np.diag(covariance)[:4],
            np.diag(covariance[:4, 4:]),
            np.diag(covariance)[4:],
        )
        np.testing.assert_allclose(state[track, 2:], blocks, atol=1e-9)


def test_prediction_does_not_depend_on_the_frame_rate() -> None:
    """Two half steps without a measurement equal one whole step."""
    state = kalman.begin(np.array([[500.0, 400.0, 80.0, 200.0]]))
    state[:, kalman.RATE, 0] = 120.0
    once = kalman.predict(state, 0.4)
    twice = kalman.predict(kalman.predict(state, 0.2), 0.2)
    np.testing.assert_allclose(twice, once)


def test_no_tracks_are_fine() -> None:
    """Empty states predict and correct to empty states."""
    state = kalman.begin(np.empty((0, 4)))
    assert kalman.correct(kalman.predict(state, 0.1), np.empty((0, 4))).shape == (
        0,
        5,
        4,
    )
