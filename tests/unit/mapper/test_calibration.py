"""Calibrations with a lens: fitted, checked, and refused."""

from dataclasses import replace

import numpy as np
import pytest

from services.common.errors import InvalidInput
from services.mapper.domain.calibration import (
    checked_calibration,
    fit_calibration,
    geometry_of,
)
from services.mapper.domain.environment import (
    BrownConrady,
    Calibration,
    FloorPoint,
    ImagePoint,
    ImageSize,
    Lens,
    PointPair,
)
from services.mapper.domain.homography import FloatArray, checked_homography
from services.mapper.domain.lens import optics_of

SIZE = ImageSize(768, 576)
VALUES = (0.0444, -0.4886, 70.43, -0.1131, -0.3231, 96.96, 0.000625, 0.01567, 1.0)
PERSPECTIVE = checked_homography(VALUES, 768, 576, field="h")
LENS = Lens(600.0, 610.0, 380.0, 290.0, BrownConrady(k1=-0.25, k2=0.05, p2=0.001))
OPTICS = optics_of(LENS, "lens")
CALIBRATION = Calibration(VALUES, SIZE, lens=LENS)


def pairs(image_px: FloatArray, floor_m: FloatArray) -> tuple[PointPair, ...]:
    """Return point pairs of two arrays."""
    return tuple(
        PointPair(ImagePoint(*pixel), FloorPoint(*place))
        for pixel, place in zip(image_px.tolist(), floor_m.tolist(), strict=True)
    )


def scene(count: int) -> tuple[PointPair, ...]:
    """Return places as the test's camera sees them through its lens."""
    generator = np.random.default_rng(4)
    undistorted_px = generator.uniform([20, 150], [740, 560], (count, 2))
    image_px = OPTICS.distort(undistorted_px)
    return pairs(image_px, PERSPECTIVE.map_points(undistorted_px))


def test_points_seen_through_a_lens_give_the_homography() -> None:
    """With the lens the fit is exact and carries it; without it the fit is bad."""
    fitted = fit_calibration(scene(20), SIZE, 0.25, LENS)
    assert fitted.fit.inliers.all()
    assert fitted.fit.residual_rms_m < 1e-5
    assert fitted.calibration.image_to_floor == pytest.approx(VALUES, rel=1e-4)
    assert fitted.calibration.lens == LENS
    plain = fit_calibration(scene(20), SIZE, 2.0)
    assert plain.fit.residual_rms_m > 0.1


def test_a_marked_point_that_the_lens_cannot_show_is_named() -> None:
    """The error gives the index of the pair, in a fit and in a calibration."""
    narrow = replace(LENS, brown_conrady=BrownConrady(k1=-0.9))
    marked = (*scene(5), PointPair(ImagePoint(1.0, 1.0), FloorPoint(0.0, 0.0)))
    with pytest.raises(InvalidInput) as caught:
        fit_calibration(marked, SIZE, 0.25, narrow)
    assert caught.value.field.startswith("point_pairs[")
    marked = (PointPair(ImagePoint(1.0, 1.0), FloorPoint(0.0, 0.0)),)
    with pytest.raises(InvalidInput) as caught:
        geometry_of(replace(CALIBRATION, lens=narrow, point_pairs=marked), "c")
    assert caught.value.field == "c.point_pairs[0].image"


def test_the_floor_is_where_the_lens_shows_it() -> None:
    """With a black lower edge, the lowest pixel shown tells which side is floor."""
    round_picture = replace(LENS, brown_conrady=BrownConrady(k1=-0.9))
    homography, optics = geometry_of(replace(CALIBRATION, lens=round_picture), "c")
    assert optics is not None
    assert np.isnan(optics.undistort(np.array([[384.0, 576.0]]))[0]).all()
    assert homography.map_points(np.array([[384.0, 450.0]])) == pytest.approx(
        PERSPECTIVE.map_points(np.array([[384.0, 450.0]]))
    )


def test_the_horizon_is_judged_without_distortion() -> None:
    """A horizon through the undistorted place of the lower edge is refused."""
    (edge_px,) = OPTICS.undistort(np.array([[384.0, 576.0]]))[0]
    across = (0.01, 0.0, 0.0, 0.0, 0.01, 0.0, 0.0, -1 / edge_px[1], 1.0)
    assert checked_calibration(Calibration(across, SIZE), "c").lens is None
    with pytest.raises(InvalidInput, match=r"horizon|singular") as caught:
        checked_calibration(Calibration(across, SIZE, lens=LENS), "c")
    assert caught.value.field == "c.image_to_floor"


def test_a_lens_that_shows_nothing_is_refused() -> None:
    """A principal point far off leaves no pixel of the picture."""
    astray = replace(LENS, cx_px=1e6, brown_conrady=BrownConrady(k1=-0.9))
    with pytest.raises(InvalidInput, match="shows nothing") as caught:
        checked_calibration(replace(CALIBRATION, lens=astray), "c")
    assert caught.value.field == "c.lens"


def test_checking_keeps_the_lens() -> None:
    """Only the homography's scale changes."""
    scaled = tuple(3.0 * value for value in VALUES)
    checked = checked_calibration(replace(CALIBRATION, image_to_floor=scaled), "c")
    assert checked.image_to_floor == pytest.approx(VALUES)
    assert replace(checked, image_to_floor=VALUES) == CALIBRATION
