"""A camera's optics: from pixels as seen to pixels without distortion, and back."""

from dataclasses import dataclass, fields

import numpy as np

from services.common.errors import InvalidInput
from services.mapper.domain.brown_conrady import BrownConradyModel, brown_conrady_model
from services.mapper.domain.checks import check_finite, check_positive
from services.mapper.domain.environment import BrownConrady, Fisheye, Lens
from services.mapper.domain.fisheye import FisheyeModel, fisheye_model
from services.mapper.domain.homography import FloatArray

MAX_COEFFICIENT = 1e4
"""Largest absolute value of a distortion's coefficient."""


@dataclass(frozen=True, slots=True)
class Optics:
    """Undoes and applies the distortion of one camera.

    Attributes:
        focal_px: float64, shape (2,), focal lengths.
        centre_px: float64, shape (2,), principal point.
        distortion: What happens to directions; None for nothing.
    """

    focal_px: FloatArray
    centre_px: FloatArray
    distortion: BrownConradyModel | FisheyeModel | None

    def undistort(self, points_px: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return where a camera without distortion would have seen points.

        Args:
            points_px: float64, shape (N, 2), image frame.

        Returns:
            float64, shape (N, 2), undistorted pixels, and float64, shape (N, 2, 2),
            their derivative by the pixel; NaN where the lens shows nothing.

        >>> optics = optics_of(Lens(100, 100, 50, 50, BrownConrady(k1=-0.1)), "lens")
        >>> pixels, _ = optics.undistort(np.array([[50.0, 50.0], [140.0, 50.0]]))
        >>> pixels.round(6).tolist()
        [[50.0, 50.0], [150.0, 50.0]]
        """
        if self.distortion is None:
            return points_px, np.broadcast_to(np.eye(2), (len(points_px), 2, 2))
        seen = (points_px - self.centre_px) / self.focal_px
        directions, slopes = self.distortion.undistort(seen)
        slopes = slopes * (self.focal_px[:, None] / self.focal_px)
        return directions * self.focal_px + self.centre_px, slopes

    def distort(self, points_px: FloatArray) -> FloatArray:
        """Return where the camera sees what one without distortion would see there.

        Args:
            points_px: float64, shape (N, 2), undistorted pixels.

        Returns:
            float64, shape (N, 2), image frame; NaN where the lens shows nothing.
        """
        if self.distortion is None:
            return points_px
        directions = (points_px - self.centre_px) / self.focal_px
        return self.distortion.distort(directions) * self.focal_px + self.centre_px


def optics_of(lens: Lens, path: str) -> Optics:
    """Return the optics that a lens describes, checked.

    Raises:
        InvalidInput: A value is out of range, or two distortions are set.
    """
    check_positive(lens.fx_px, f"{path}.fx_px")
    check_positive(lens.fy_px, f"{path}.fy_px")
    check_finite(lens.cx_px, f"{path}.cx_px")
    check_finite(lens.cy_px, f"{path}.cy_px")
    if lens.brown_conrady is not None and lens.fisheye is not None:
        raise InvalidInput("has two distortions", field=f"{path}.fisheye")
    distortion: BrownConradyModel | FisheyeModel | None = None
    if lens.brown_conrady is not None:
        _check_coefficients(lens.brown_conrady, f"{path}.brown_conrady")
        distortion = brown_conrady_model(lens.brown_conrady)
    elif lens.fisheye is not None:
        _check_coefficients(lens.fisheye, f"{path}.fisheye")
        distortion = fisheye_model(lens.fisheye)
    return Optics(
        np.array([lens.fx_px, lens.fy_px]),
        np.array([lens.cx_px, lens.cy_px]),
        distortion,
    )


def _check_coefficients(distortion: BrownConrady | Fisheye, path: str) -> None:
    for field in fields(distortion):
        value = getattr(distortion, field.name)
        if not abs(value) <= MAX_COEFFICIENT:
            message = f"must be in [-{MAX_COEFFICIENT:g}, {MAX_COEFFICIENT:g}]"
            raise InvalidInput(message, field=f"{path}.{field.name}")
