"""Lenses: distortion, its inverse, its derivative, and what is refused."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.errors import InvalidInput
from services.mapper.domain.environment import BrownConrady, Fisheye, Lens
from services.mapper.domain.fisheye import FisheyeModel
from services.mapper.domain.homography import FloatArray
from services.mapper.domain.lens import Optics, optics_of

PINHOLE = Lens(fx_px=900.0, fy_px=910.0, cx_px=650.0, cy_px=340.0)
CAMERA_MATRIX = np.array([[900.0, 0, 650.0], [0, 910.0, 340.0], [0, 0, 1]])
MILD = BrownConrady(k1=-0.05, k2=0.14, p1=6e-4, p2=7e-4)
BARREL = BrownConrady(k1=-0.3, k2=0.1, p1=1e-3, p2=-2e-3, k3=-0.01)
RATIONAL = BrownConrady(
    k1=2.0, k2=1.0, p1=1e-4, p2=-1e-4, k3=0.05, k4=2.4, k5=1.5, k6=0.2
)
EQUIDISTANT = Fisheye(k1=-0.02, k2=0.01, k3=-0.003, k4=5e-4)


def with_lens(distortion: BrownConrady | Fisheye) -> Optics:
    """Return the test camera with a distortion."""
    if isinstance(distortion, Fisheye):
        return optics_of(replace(PINHOLE, fisheye=distortion), "lens")
    return optics_of(replace(PINHOLE, brown_conrady=distortion), "lens")


def around(optics: Optics, reach: float) -> FloatArray:
    """Return undistorted pixels up to `reach` focal lengths from the axis."""
    generator = np.random.default_rng(3)
    angle = generator.uniform(0, 2 * math.pi, 500)
    radius = reach * np.sqrt(generator.uniform(0, 1, 500))
    directions = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return directions * optics.focal_px + optics.centre_px


def widest(optics: Optics, share: float) -> float:
    """Return the radius at a share of what the lens shows."""
    model = optics.distortion
    assert model is not None
    if isinstance(model, FisheyeModel):
        return math.tan(share * model.max_angle)
    return share * model.max_radius


def opencv_values(distortion: BrownConrady) -> FloatArray:
    """Return the coefficients in OpenCV's order."""
    k = distortion
    return np.array([k.k1, k.k2, k.p1, k.p2, k.k3, k.k4, k.k5, k.k6])


SMALL = st.floats(-0.01, 0.01)
BROWN_CONRADY = st.builds(
    BrownConrady,
    k1=st.floats(-0.5, 0.5),
    k2=st.floats(-0.3, 0.3),
    p1=SMALL,
    p2=SMALL,
    k3=st.floats(-0.1, 0.1),
    k4=st.floats(-0.2, 0.2),
)
FISHEYE = st.builds(
    Fisheye,
    k1=st.floats(-0.1, 0.1),
    k2=st.floats(-0.05, 0.05),
    k3=st.floats(-0.02, 0.02),
    k4=st.floats(-0.01, 0.01),
)
PIXELS = st.tuples(st.floats(0, 1280), st.floats(0, 720))


@settings(deadline=None)
@given(st.one_of(BROWN_CONRADY, FISHEYE), PIXELS)
def test_distorting_what_was_undistorted_gives_the_pixel(
    distortion: BrownConrady | Fisheye, pixel: tuple[float, float]
) -> None:
    """A pixel of the picture comes back, or the lens shows nothing there."""
    optics = with_lens(distortion)
    undistorted_px, slopes = optics.undistort(np.array([pixel]))
    if np.isnan(undistorted_px).any():
        assert np.isnan(undistorted_px).all()
        assert np.isnan(slopes).all()
    else:
        assert optics.distort(undistorted_px)[0] == pytest.approx(pixel, abs=1e-5)


@settings(deadline=None)
@given(st.one_of(BROWN_CONRADY, FISHEYE), st.floats(0, 0.9), st.floats(0, 6.3))
def test_undistorting_what_was_distorted_gives_the_direction(
    distortion: BrownConrady | Fisheye, share: float, angle: float
) -> None:
    """A direction well within the lens is found again, however strong the lens is."""
    optics = with_lens(distortion)
    radius = share * min(widest(optics, 1.0), 1.0)
    direction = np.array([[radius * math.cos(angle), radius * math.sin(angle)]])
    undistorted_px = direction * optics.focal_px + optics.centre_px
    found, _ = optics.undistort(optics.distort(undistorted_px))
    assert found == pytest.approx(undistorted_px, abs=1e-3)


@pytest.mark.parametrize(
    "distortion",
    [
        pytest.param(BrownConrady(k1=-0.3), id="fold"),
        pytest.param(BrownConrady(0.5, -0.3), id="growth before a fold"),
        pytest.param(
            BrownConrady(0.96, 0.88, k3=0.1, k4=-0.49, k5=0.076), id="steep growth"
        ),
        pytest.param(
            BrownConrady(0.37, 0.03, 7e-4, 2e-3, 0.31, -0.056, -0.17), id="pole"
        ),
        pytest.param(Fisheye(-0.5), id="fisheye fold"),
        pytest.param(
            Fisheye(0.96, 0.42, -0.135, -0.038), id="fisheye growth before a fold"
        ),
    ],
)
def test_strong_lenses_are_undone_up_to_their_fold(
    distortion: BrownConrady | Fisheye,
) -> None:
    """Up to 95 % of the radius every direction is found again."""
    optics = with_lens(distortion)
    undistorted_px = around(optics, widest(optics, 0.95))
    found, _ = optics.undistort(optics.distort(undistorted_px))
    assert found == pytest.approx(undistorted_px, rel=1e-5, abs=1e-3)


@pytest.mark.parametrize("distortion", [MILD, BARREL, RATIONAL])
def test_the_model_is_that_of_opencv(distortion: BrownConrady) -> None:
    """Distorting agrees with OpenCV's projection, and undoing with its iteration."""
    optics = with_lens(distortion)
    undistorted_px = around(optics, 0.8)
    directions = (undistorted_px - optics.centre_px) / optics.focal_px
    rays = np.column_stack([directions, np.ones(len(directions))])
    values = opencv_values(distortion)
    still = np.zeros(3)
    theirs = cv2.projectPoints(rays, still, still, CAMERA_MATRIX, values)[0][:, 0]
    assert optics.distort(undistorted_px) == pytest.approx(theirs, abs=1e-6)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-10)
    undone = cv2.undistortPointsIter(
        theirs, CAMERA_MATRIX, values, np.eye(3), CAMERA_MATRIX, criteria
    )[:, 0]
    found, _ = optics.undistort(theirs)
    assert found == pytest.approx(undone, abs=1e-4)


def test_the_fisheye_model_is_that_of_opencv() -> None:
    """Distorting and undoing agree with OpenCV up to 70 degrees from the axis."""
    optics = with_lens(EQUIDISTANT)
    undistorted_px = around(optics, math.tan(math.radians(70)))
    values = np.array([EQUIDISTANT.k1, EQUIDISTANT.k2, EQUIDISTANT.k3, EQUIDISTANT.k4])
    directions = (undistorted_px - optics.centre_px) / optics.focal_px
    theirs = cv2.fisheye.distortPoints(directions[:, None], CAMERA_MATRIX, values)
    assert optics.distort(undistorted_px) == pytest.approx(theirs[:, 0], abs=1e-6)
    undone = cv2.fisheye.undistortPoints(theirs, CAMERA_MATRIX, values, P=CAMERA_MATRIX)
    found, _ = optics.undistort(theirs[:, 0])
    assert found == pytest.approx(undone[:, 0], abs=1e-3)
    assert found == pytest.approx(undistorted_px, abs=1e-4)


@pytest.mark.parametrize("distortion", [MILD, BARREL, RATIONAL, EQUIDISTANT])
def test_the_derivative_is_the_slope(distortion: BrownConrady | Fisheye) -> None:
    """The derivative of undoing agrees with central differences, also on the axis."""
    optics = with_lens(distortion)
    points_px = np.array([[650.0, 340.0], [100.0, 50.0], [1200.0, 700.0], [650.5, 9.0]])
    _, slopes = optics.undistort(points_px)
    for axis, offset in enumerate(np.eye(2) * 1e-3):
        ahead, _ = optics.undistort(points_px + offset)
        behind, _ = optics.undistort(points_px - offset)
        slope = (ahead - behind) / 2e-3
        assert slopes[:, :, axis] == pytest.approx(slope, abs=1e-5)


@pytest.mark.parametrize(
    "distortion", [BrownConrady(k1=-0.3), BrownConrady(k1=-0.4, k4=0.1), Fisheye(-0.5)]
)
def test_a_lens_shows_nothing_beyond_its_fold(
    distortion: BrownConrady | Fisheye,
) -> None:
    """Within the largest radius of the picture a pixel is undone, beyond it is not."""
    optics = with_lens(distortion)
    radii = np.linspace(0, 1.5, 2001)
    shown = optics.distort(np.column_stack([radii * 900 + 650, np.full(2001, 340.0)]))
    widest_px = np.nanmax(shown[:, 0])
    points_px = np.array([[widest_px - 1, 340.0], [widest_px + 1, 340.0], [1e30, 0.0]])
    undistorted_px, _ = optics.undistort(points_px)
    assert np.isnan(undistorted_px[:, 0]).tolist() == [False, True, True]


def test_a_lens_without_distortion_changes_nothing() -> None:
    """The pixels stay, and their derivative is the identity."""
    optics = optics_of(PINHOLE, "lens")
    points_px = np.array([[5.0, 6.0], [1000.0, -20.0]])
    undistorted_px, slopes = optics.undistort(points_px)
    assert undistorted_px.tolist() == points_px.tolist()
    assert optics.distort(points_px).tolist() == points_px.tolist()
    assert slopes.tolist() == [np.eye(2).tolist()] * 2


@pytest.mark.parametrize(
    ("lens", "field"),
    [
        (replace(PINHOLE, fx_px=0.0), "lens.fx_px"),
        (replace(PINHOLE, fy_px=math.inf), "lens.fy_px"),
        (replace(PINHOLE, cx_px=math.nan), "lens.cx_px"),
        (replace(PINHOLE, cy_px=-math.inf), "lens.cy_px"),
        (
            replace(PINHOLE, brown_conrady=BrownConrady(p2=math.nan)),
            "lens.brown_conrady.p2",
        ),
        (
            replace(PINHOLE, brown_conrady=BrownConrady(k6=1.1e4)),
            "lens.brown_conrady.k6",
        ),
        (replace(PINHOLE, fisheye=Fisheye(k4=-math.inf)), "lens.fisheye.k4"),
        (
            replace(PINHOLE, brown_conrady=MILD, fisheye=EQUIDISTANT),
            "lens.fisheye",
        ),
    ],
)
def test_unusable_lenses_are_refused_by_field(lens: Lens, field: str) -> None:
    """Focal lengths, principal point and coefficients out of range are named."""
    with pytest.raises(InvalidInput) as caught:
        optics_of(lens, "lens")
    assert caught.value.field == field
