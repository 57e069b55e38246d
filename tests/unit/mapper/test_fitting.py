"""Fitting homographies to points: exact, noisy, wrong and degenerate ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.errors import InvalidInput
from services.mapper.domain.calibration import fit_calibration
from services.mapper.domain.environment import (
    FloorPoint,
    ImagePoint,
    ImageSize,
    PointPair,
)
from services.mapper.domain.fitting import Fit, fit_homography
from services.mapper.domain.homography import FloatArray, checked_homography

PERSPECTIVE = checked_homography(
    (0.0444, -0.4886, 70.43, -0.1131, -0.3231, 96.96, 0.000625, 0.01567, 1.0),
    768,
    576,
    field="h",
)
SQUARE = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0]])


def scene(count: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return pixels spread over a picture and their places on the floor."""
    generator = np.random.default_rng(seed)
    image_px = generator.uniform([0, 150], [768, 576], (count, 2))
    return image_px, PERSPECTIVE.map_points(image_px)


def fitted(image_px: FloatArray, floor_m: FloatArray) -> Fit:
    """Fit with the default threshold."""
    return fit_homography(image_px, floor_m, 0.25, field="point_pairs")


@settings(max_examples=20, deadline=None)
@given(st.integers(6, 40), st.integers(0, 1000))
def test_exact_points_give_the_homography(count: int, seed: int) -> None:
    """Without noise the fit maps every point to its place."""
    image_px, floor_m = scene(count, seed)
    fit = fitted(image_px, floor_m)
    assert fit.inliers.all()
    assert fit.residual_rms_m < 1e-6
    assert fit.matrix[2, 2] == pytest.approx(1)


def test_wrong_points_are_left_out() -> None:
    """A third of wrong points changes nothing, and they are named as outliers."""
    image_px, floor_m = scene(30, 5)
    floor_m[:10] += np.random.default_rng(6).uniform(1.5, 8, (10, 2))
    fit = fitted(image_px, floor_m)
    assert fit.inliers.tolist() == [False] * 10 + [True] * 20
    assert fit.distances_m[:10].min() > 1
    assert fit.residual_rms_m < 1e-6


def test_noise_is_averaged() -> None:
    """The fit of many noisy points is nearer to the truth than one point is."""
    image_px, floor_m = scene(60, 8)
    noise_m = np.random.default_rng(9).normal(0, 0.05, floor_m.shape)
    fit = fitted(image_px, floor_m + noise_m)
    assert fit.residual_rms_m == pytest.approx(0.05 * np.sqrt(2), rel=0.2)
    wanted = PERSPECTIVE.map_points(np.array([[384.0, 450.0]]))
    homography = checked_homography(tuple(fit.matrix.ravel()), 768, 576, field="h")
    reached = homography.map_points(np.array([[384.0, 450.0]]))
    assert np.linalg.norm(reached - wanted) < 0.04


def test_the_same_points_give_the_same_fit() -> None:
    """The sampling is seeded: two fits agree to the bit."""
    image_px, floor_m = scene(50, 11)
    floor_m[::3] += 2
    first, second = fitted(image_px, floor_m), fitted(image_px, floor_m)
    assert np.array_equal(first.matrix, second.matrix)


def test_four_points_are_enough() -> None:
    """Four points in general position fit exactly."""
    fit = fitted(SQUARE, SQUARE / 50)
    assert fit.inliers.all()
    assert fit.distances_m.max() < 1e-9


def test_ill_determined_points_have_a_large_condition_number() -> None:
    """A thin strip of points determines less than a square."""
    square = fitted(SQUARE, SQUARE / 50)
    strip_px = SQUARE * [1.0, 0.05]
    strip = fitted(strip_px, strip_px / 50 + SQUARE * [0, 0.01])
    assert strip.condition_number >= square.condition_number
    assert square.condition_number < 10


@pytest.mark.parametrize(
    "image_px",
    [
        SQUARE[:3],
        SQUARE[[0, 1, 2, 2]],
        SQUARE[[0, 1, 2, 2, 0, 1]],
        np.array([[0.0, 0], [50, 50], [100, 100], [0, 100]]),
        np.array([[0.0, 0], [50, 50], [100, 100], [150, 150], [200, 200]]),
        np.array([[0.0, 0], [50, 50], [100, 100], [150, 150], [0, 100]]),
    ],
    ids=["three", "twice", "three distinct", "three in line", "line", "all but one"],
)
def test_degenerate_sets_are_refused(image_px: FloatArray) -> None:
    """Too few, repeated and collinear points name the pairs."""
    with pytest.raises(InvalidInput) as caught:
        fitted(image_px, image_px / 50)
    assert caught.value.field == "point_pairs"


def test_collinear_places_on_the_floor_are_refused() -> None:
    """Points on a line on the floor are refused though the pixels are not."""
    floor_m = np.array([[0.0, 0], [1, 0], [2, 0], [3, 0]])
    with pytest.raises(InvalidInput, match="line"):
        fitted(SQUARE, floor_m)


def test_points_without_agreement_are_refused() -> None:
    """Random pairs have no homography that fits more than the four defining it."""
    generator = np.random.default_rng(3)
    image_px = generator.uniform(0, 500, (12, 2))
    floor_m = generator.uniform(0, 100, (12, 2))
    with pytest.raises(InvalidInput, match="do not agree"):
        fitted(image_px, floor_m)


@pytest.mark.parametrize(
    ("size", "threshold_m", "x", "field"),
    [
        (ImageSize(0, 480), 0.25, 0.0, "image_size.width"),
        (ImageSize(640, 20000), 0.25, 0.0, "image_size.height"),
        (ImageSize(640, 480), 0.0, 0.0, "inlier_threshold_m"),
        (ImageSize(640, 480), float("nan"), 0.0, "inlier_threshold_m"),
        (ImageSize(640, 480), 0.25, float("nan"), "point_pairs[0].image.x"),
    ],
)
def test_requests_are_checked(
    size: ImageSize, threshold_m: float, x: float, field: str
) -> None:
    """Sizes, thresholds and points out of range are refused by name."""
    pairs = (PointPair(ImagePoint(x, 0.0), FloorPoint(0.0, 0.0)),) * 4
    with pytest.raises(InvalidInput) as caught:
        fit_calibration(pairs, size, threshold_m)
    assert caught.value.field == field
