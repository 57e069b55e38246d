"""Foot points to positions: covariance and cut-offs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.mapper.domain.environment import BrownConrady, Lens
from services.mapper.domain.homography import Homography, checked_homography
from services.mapper.domain.lens import optics_of
from services.mapper.domain.projection import (
    MAX_SIGMA_M,
    FootPoints,
    Outcome,
    locate,
)

PERSPECTIVE = checked_homography(
    (0.0444, -0.4886, 70.43, -0.1131, -0.3231, 96.96, 0.000625, 0.01567, 1.0),
    768,
    576,
    field="h",
)
"""A camera over a square: about 2 cm per pixel in front, 10 cm at the back."""

BARREL = optics_of(
    Lens(600.0, 600.0, 384.0, 288.0, BrownConrady(k1=-0.4, p1=0.002)), "lens"
)
"""Optics whose picture ends 365 pixels from its centre."""


def feet(
    points_px: list[tuple[float, float]], sigma_px: float = 3.0, visibility: float = 1.0
) -> FootPoints:
    """Return foot points that are all known alike."""
    count = len(points_px)
    return FootPoints(
        np.array(points_px, dtype=np.float64).reshape(-1, 2),
        np.full(count, sigma_px),
        np.full(count, visibility),
    )


def test_the_covariance_agrees_with_a_simulation() -> None:
    """Mapped random points scatter as the covariance says."""
    generator = np.random.default_rng(7)
    for point_px in ((384.0, 500.0), (100.0, 250.0), (700.0, 180.0)):
        located = locate(feet([point_px], sigma_px=2.0), PERSPECTIVE, 0.2)
        scattered_px = generator.normal(point_px, 2.0, (200_000, 2))
        scattered_m = PERSPECTIVE.map_points(scattered_px)
        scattered_m += generator.normal(0, 0.2, scattered_m.shape)
        expected = np.cov(scattered_m.T)
        assert located.covariances_m2[0] == pytest.approx(expected, rel=0.03, abs=3e-3)


def test_the_covariance_passes_through_the_lens() -> None:
    """Mapped random points scatter as the covariance says, near the edge as well."""
    generator = np.random.default_rng(8)
    for point_px in ((384.0, 500.0), (150.0, 300.0), (680.0, 320.0)):
        located = locate(feet([point_px], sigma_px=2.0), PERSPECTIVE, 0.0, BARREL)
        scattered_px, _ = BARREL.undistort(generator.normal(point_px, 2.0, (99_999, 2)))
        scattered_m = PERSPECTIVE.map_points(scattered_px)
        assert located.points_m[0] == pytest.approx(scattered_m.mean(axis=0), rel=0.01)
        expected = np.cov(scattered_m.T)
        assert located.covariances_m2[0] == pytest.approx(expected, rel=0.04, abs=1e-4)


def test_a_lens_without_distortion_changes_nothing() -> None:
    """Positions and covariances are the same with it and without any lens."""
    points = feet([(384, 400), (10, 570), (384, -300)])
    plain = locate(points, PERSPECTIVE, 0.1)
    pinhole = optics_of(Lens(600.0, 600.0, 384.0, 288.0), "lens")
    same = locate(points, PERSPECTIVE, 0.1, pinhole)
    assert same.outcomes.tolist() == plain.outcomes.tolist()
    assert np.array_equal(same.points_m, plain.points_m, equal_nan=True)
    assert np.array_equal(same.covariances_m2, plain.covariances_m2, equal_nan=True)


def test_points_without_a_position_have_a_reason() -> None:
    """Unseen feet, black corners, the sky and far points are told apart."""
    points_px = [(384, 500), (384, 500), (5, 570), (384, -60), (384, 260)]
    points = FootPoints(
        np.array(points_px, dtype=np.float64),
        np.array([2.0, 2.0, 2.0, 2.0, 80.0]),
        np.array([1.0, 0.0, 1.0, 1.0, 1.0]),
    )
    found = locate(points, PERSPECTIVE, 0.1, BARREL)
    assert found.outcomes.tolist() == [
        Outcome.LOCATED,
        Outcome.NOT_VISIBLE,
        Outcome.OUTSIDE_LENS,
        Outcome.HORIZON,
        Outcome.UNCERTAIN,
    ]
    assert found.located.tolist() == [True, False, False, False, False]
    assert np.isnan(found.points_m[1:]).all()
    assert np.isnan(found.covariances_m2[1:]).all()


@given(st.floats(0.1, 50), st.floats(0.05, 1), st.floats(0, 1))
def test_covariances_are_positive(
    sigma_px: float, visibility: float, bias_floor_m: float
) -> None:
    """Every located point has a symmetric covariance no smaller than the bias floor."""
    found = locate(
        feet([(384, 400), (10, 570)], sigma_px, visibility), PERSPECTIVE, bias_floor_m
    )
    for covariance in found.covariances_m2[found.located]:
        assert covariance == pytest.approx(covariance.T)
        smallest = np.linalg.eigvalsh(covariance)[0]
        assert smallest >= bias_floor_m**2 * (1 - 1e-9)
        assert smallest > 0


def test_half_seen_feet_are_half_as_certain() -> None:
    """Visibility 0.5 acts as twice the sigma."""
    half = locate(feet([(384, 400)], 3.0, 0.5), PERSPECTIVE, 0.1)
    double = locate(feet([(384, 400)], 6.0, 1.0), PERSPECTIVE, 0.1)
    assert half.covariances_m2 == pytest.approx(double.covariances_m2)


def test_invisible_feet_have_no_position() -> None:
    """Visibility 0 is not located, and its arrays hold NaN."""
    found = locate(feet([(384, 400)], visibility=0.0), PERSPECTIVE, 0.1)
    assert not found.located[0]
    assert np.isnan(found.points_m).all()
    assert np.isnan(found.covariances_m2).all()


def test_the_horizon_cuts_off() -> None:
    """Beyond the vanishing line, and close before it, nothing is located."""
    matrix = PERSPECTIVE.matrix
    x_px = 384.0
    horizon_y_px = -(matrix[2, 0] * x_px + matrix[2, 2]) / matrix[2, 1]
    points_px = [(x_px, horizon_y_px + offset) for offset in (-50.0, 0.0, 5.0, 300.0)]
    found = locate(feet(points_px), PERSPECTIVE, 0.1)
    assert found.located.tolist() == [False, False, False, True]


def test_too_uncertain_points_are_cut_off() -> None:
    """A position is given up to the largest standard deviation and not above."""
    overhead = Homography(np.diag([0.01, 0.01, 1.0]))
    limit_px = MAX_SIGMA_M / 0.01
    for sigma_px, located in ((limit_px * 0.99, True), (limit_px * 1.01, False)):
        found = locate(feet([(0, 0)], sigma_px), overhead, 0.0)
        assert found.located[0] == located


def test_no_points_give_no_positions() -> None:
    """An empty frame is located as an empty list."""
    found = locate(feet([]), PERSPECTIVE, 0.1)
    assert found.points_m.shape == (0, 2)
    assert found.covariances_m2.shape == (0, 2, 2)
