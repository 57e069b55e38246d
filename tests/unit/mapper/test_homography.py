"""Homographies: mapping, derivative and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import InvalidInput
from services.mapper.domain.homography import FloatArray, Homography, checked_homography

WIDTH_PX, HEIGHT_PX = 640, 480


def tilted_camera(pitch: float, height_m: float) -> FloatArray:
    """Return pixels to metres for a camera above the floor, looking down by `pitch`.

    Args:
        pitch: Angle below the horizontal, radians.
        height_m: Height above the floor, metres.
    """
    focal_px = 600.0
    sine, cosine = math.sin(pitch), math.cos(pitch)
    floor_to_image = np.array(
        [
            [focal_px, WIDTH_PX / 2 * cosine, WIDTH_PX / 2 * height_m * sine],
            [0.0, 0.0, 0.0],
            [0.0, cosine, height_m * sine],
        ]
    )
    floor_to_image[1] = [
        0.0,
        -focal_px * sine + HEIGHT_PX / 2 * cosine,
        focal_px * height_m * cosine + HEIGHT_PX / 2 * height_m * sine,
    ]
    inverse: FloatArray = np.linalg.inv(floor_to_image)
    return inverse


def checked(matrix: FloatArray) -> Homography:
    """Return a checked homography of the test's picture."""
    values = tuple((matrix / matrix[2, 2]).ravel().tolist())
    return checked_homography(values, WIDTH_PX, HEIGHT_PX, field="image_to_floor")


CAMERAS = st.builds(tilted_camera, st.floats(0.25, 1.4), st.floats(2.0, 12.0))
LOWER_PIXELS = st.tuples(st.floats(0, WIDTH_PX), st.floats(300, HEIGHT_PX))


@given(CAMERAS, LOWER_PIXELS)
def test_mapping_and_its_inverse_give_the_same_pixel(
    matrix: FloatArray, pixel: tuple[float, float]
) -> None:
    """A pixel mapped to the floor and back is where it was."""
    homography = checked(matrix)
    floor_m = homography.map_points(np.array([pixel]))
    back = Homography(np.linalg.inv(homography.matrix)).homogeneous(floor_m)
    assert back[0, :2] / back[0, 2] == pytest.approx(pixel, abs=1e-6)


@given(CAMERAS, LOWER_PIXELS)
def test_the_jacobian_is_the_slope(
    matrix: FloatArray, pixel: tuple[float, float]
) -> None:
    """The Jacobian agrees with central differences."""
    homography = checked(matrix)
    step_px = 1e-4
    around = np.array(pixel) + step_px * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    mapped = homography.map_points(around)
    slope = np.column_stack([mapped[0] - mapped[1], mapped[2] - mapped[3]])
    expected = slope / (2 * step_px)
    jacobian = homography.jacobian(np.array([pixel]))[0]
    assert jacobian == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_points_beyond_the_horizon_have_no_place() -> None:
    """Above the vanishing line, and on it, a point maps to NaN."""
    homography = checked(tilted_camera(0.3, 5.0))
    horizon_y_px = HEIGHT_PX / 2 - 600 * math.tan(0.3)
    points_px = np.array([[320, horizon_y_px - 1], [320, horizon_y_px + 1]])
    mapped = homography.map_points(points_px)
    assert np.isnan(mapped[0]).all()
    assert np.isfinite(mapped[1]).all()


@given(CAMERAS, st.floats(-1e4, 1e4).filter(lambda scale: abs(scale) > 1e-4))
def test_the_scale_does_not_matter(matrix: FloatArray, scale: float) -> None:
    """A homography times any number is the same homography."""
    point_px = np.array([[100.0, 400.0]])
    expected = checked(matrix).map_points(point_px)
    values = tuple((scale * matrix).ravel().tolist())
    scaled = checked_homography(values, WIDTH_PX, HEIGHT_PX, field="h")
    assert scaled.map_points(point_px) == pytest.approx(expected)


def test_a_far_origin_is_no_degeneracy() -> None:
    """Coordinates of a national grid are accepted."""
    shift = np.array([[1, 0, 5e5], [0, 1, 5.4e6], [0, 0, 1]])
    assert checked(shift @ tilted_camera(0.5, 6.0))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((1.0,) * 8, "9 values"),
        ((math.nan,) + (1.0,) * 8, "not finite"),
        ((math.inf,) + (1.0,) * 8, "not finite"),
        ((0.0,) * 9, "last value"),
        ((1.0, 0, 0, 0, 1, 0, 0, 1, 0), "last value"),
        ((1.0,) * 9, "singular"),
        ((1.0, 2, 0, 2, 4, 0, 0, 0, 1), "singular"),
        ((1.0, 0, 0, 1, 1e-9, 0, 0, 0, 1), "singular"),
        ((1.0, 0, 0, 0, 1, 0, 0, -1 / HEIGHT_PX, 1), "horizon"),
    ],
)
def test_unusable_homographies_are_refused(
    values: tuple[float, ...], message: str
) -> None:
    """What maps no picture to a floor is refused with its field and the reason."""
    with pytest.raises(InvalidInput, match=message) as caught:
        checked_homography(
            values, WIDTH_PX, HEIGHT_PX, field="calibration.image_to_floor"
        )
    assert caught.value.field == "calibration.image_to_floor"
