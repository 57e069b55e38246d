"""The floor as a plane in the world of a calibration file."""

import re
from dataclasses import dataclass

import numpy as np

from services.common.errors import InvalidInput
from services.mapper.domain.calibration_files.source import Pose
from services.mapper.domain.checks import check_finite, check_positive
from services.mapper.domain.environment import Lens
from services.mapper.domain.homography import FloatArray

_AXES = re.compile(r"(-?)([xyz]),(-?)([xyz]),(-?)([xyz])")


@dataclass(frozen=True, slots=True)
class FloorPlane:
    """Where the floor lies in the world of a file.

    Attributes:
        axes: float64, shape (3, 3), from the file's axes to the floor's x, y and up.
        metres_per_unit: Length of the file's unit.
        height_m: Height of the floor above the file's origin.
    """

    axes: FloatArray
    metres_per_unit: float
    height_m: float

    def in_metres(self, pose: Pose) -> Pose:
        """Return a camera's pose in a world of metres, z up from the floor."""
        rotation = pose.rotation @ self.axes.T
        translation = pose.translation * self.metres_per_unit
        return Pose(rotation, translation + rotation[:, 2] * self.height_m)


def floor_plane(axes: str, metres_per_unit: float, height_m: float) -> FloorPlane:
    """Return where the floor lies, checked.

    Args:
        axes: The file's axes that point along the floor's x, its y, and up.
        metres_per_unit: Length of the file's unit.
        height_m: Height of the floor above the file's origin.

    Raises:
        InvalidInput: The axes are not three different ones or form a left-handed
            frame, or a number is out of range.

    >>> floor_plane("x,-z,y", 1.0, 0.0).axes.tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
    """
    check_positive(metres_per_unit, "metres_per_unit")
    check_finite(height_m, "floor_height_m")
    match = _AXES.fullmatch(axes)
    if match is None:
        raise InvalidInput("must be as x,y,z or -y,x,z", field="axes")
    matrix = np.zeros((3, 3))
    for row, (sign, axis) in enumerate(zip(*[iter(match.groups())] * 2, strict=True)):
        matrix[row, "xyz".index(axis)] = -1.0 if sign else 1.0
    if not np.linalg.det(matrix) > 0:
        message = "must be three different axes of a right-handed frame"
        raise InvalidInput(message, field="axes")
    return FloorPlane(matrix, metres_per_unit, height_m)


def image_to_floor(lens: Lens, pose: Pose) -> FloatArray:
    """Return the homography from undistorted pixels to the plane z = 0.

    A point of the plane is seen at `K [r1 r2 t] (x, y, 1)` (H&Z eq. 8.1), with the
    camera matrix `K` and the first two columns of the rotation.

    Args:
        lens: Focal lengths and principal point.
        pose: Where the camera is, metres, z up from the floor.

    Returns:
        float64, shape (3, 3).

    Raises:
        ValueError: The camera lies in the plane.
    """
    matrix = np.array(
        [[lens.fx_px, 0, lens.cx_px], [0, lens.fy_px, lens.cy_px], [0, 0, 1]]
    )
    columns = np.column_stack([pose.rotation[:, :2], pose.translation])
    try:
        inverse: FloatArray = np.linalg.inv(matrix @ columns)
    except np.linalg.LinAlgError as error:
        raise ValueError("the camera lies in the plane") from error
    return inverse


def camera_position_m(pose: Pose) -> FloatArray:
    """Return where a camera is in the world: float64, shape (3,)."""
    position: FloatArray = -pose.rotation.T @ pose.translation
    return position
