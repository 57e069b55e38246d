"""Cameras on the walls of a hall, with the geometry of real ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.common.ids import CameraId
from services.mapper.domain.calibration_files.source import Pose
from services.mapper.domain.environment import Lens
from services.mapper.domain.floor_plane import image_to_floor
from tests.accuracy.identity.recording import Camera

Array = NDArray[np.float64]

HALL_M = (18.0, 12.0)
"""Length and width of the hall; its floor is from 0 to that."""

SIZE_PX = (1280, 720)
_FOCAL_PX = 850.0
_HEIGHT_M = 3.2
_LOOK_AT_M = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class RigCamera:
    """One camera as it truly stands.

    Attributes:
        camera_id: Its name.
        pose: Where it is, metres, z up from the floor.
        lens: Focal length and principal point.
    """

    camera_id: CameraId
    pose: Pose
    lens: Lens

    def project(self, points_m: Array) -> tuple[Array, Array]:
        """Return pixels, shape (..., 2), and depths in metres, of points (..., 3)."""
        seen = points_m @ self.pose.rotation.T + self.pose.translation
        depth = seen[..., 2]
        safe = np.where(depth > 0.05, depth, np.nan)
        x_px = self.lens.cx_px + self.lens.fx_px * seen[..., 0] / safe
        y_px = self.lens.cy_px + self.lens.fy_px * seen[..., 1] / safe
        return np.stack((x_px, y_px), axis=-1), depth

    def calibrated(self, moved: Array) -> Camera:
        """Return the camera as the mapper is told about it.

        Args:
            moved: What the calibration does to the true floor, shape (3, 3).
        """
        matrix = moved @ image_to_floor(self.lens, self.pose)
        matrix = matrix / matrix[2, 2]
        return Camera(
            self.camera_id, str(self.camera_id), SIZE_PX, tuple(matrix.ravel().tolist())
        )


def rig(count: int) -> list[RigCamera]:
    """Return cameras spread evenly along the walls; each looks across the hall."""
    return [_camera(index, count) for index in range(count)]


def _camera(index: int, count: int) -> RigCamera:
    length, width = HALL_M
    # A golden-ratio start keeps cameras out of exact symmetry.
    way = (index / count + 0.07) % 1.0 * 2 * (length + width)
    corners = np.array([[0, 0], [length, 0], [length, width], [0, width], [0, 0]])
    sides = np.cumsum([0.0, length, width, length, width])
    x_m, y_m = (np.interp(way, sides, corners[:, axis]) for axis in (0, 1))
    middle = np.array([length / 2, width / 2])
    target = middle + 0.25 * (middle - np.array([x_m, y_m]))
    pose = _looking(np.array([x_m, y_m, _HEIGHT_M]), np.array([*target, _LOOK_AT_M]))
    lens = Lens(_FOCAL_PX, _FOCAL_PX, SIZE_PX[0] / 2, SIZE_PX[1] / 2)
    return RigCamera(CameraId(f"camera-{index + 1:02d}"), pose, lens)


def _looking(position_m: Array, target_m: Array) -> Pose:
    """Return the pose of a level camera that looks at a point."""
    forward = target_m - position_m
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack((right, np.cross(forward, right), forward))
    return Pose(rotation, -rotation @ position_m)


def floor_error(error_m: float, rng: np.random.Generator) -> Array:
    """Return a shift and turn of the floor, shape (3, 3), of a root mean square error.

    Args:
        error_m: The error, over the hall.
        rng: Chooses the directions.
    """
    length, width = HALL_M
    radius_m = np.hypot(length, width) / np.sqrt(12)
    angle = 0.6 * error_m / radius_m * rng.choice((-1.0, 1.0))
    heading = rng.uniform(0, 2 * np.pi)
    shift = 0.8 * error_m * np.array([np.cos(heading), np.sin(heading)])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([length / 2, width / 2])
    moved = np.eye(3)
    moved[:2, :2] = turn
    moved[:2, 2] = middle - turn @ middle + shift
    return moved
