"""The floor that paths are drawn on: what the cameras see of it, laid out flat."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, takewhile

import cv2
import numpy as np
import numpy.typing as npt

from demo.cameras import DrawnCamera
from demo.canvas import INK, WHITE, line, write
from demo.palette import Colour
from services.pipeline.domain.frames import Pixels

PAPER: Colour = (250, 250, 248)
CAMERA_COLOURS: Sequence[Colour] = (
    (176, 58, 46),
    (30, 110, 80),
    (40, 80, 160),
    (150, 100, 20),
)

_WIDTH_PX, _MAX_HEIGHT_PX = 1500, 1300
_MARGIN_M = 2.0
_SMALL_M = 15.0
_GRID: Colour = (222, 224, 226)
_SAMPLED_FRAMES = 9
_SAMPLED_EVERY = 24
_FADE = 0.45
_LEAST_DETAIL = 1e-9

Points = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Pixels32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Floor:
    """The part of the floor that is drawn; x to the right, y upwards.

    Attributes:
        left_m: Smallest x.
        top_m: Largest y.
        px_per_m: Scale.
        width_px: Width of the drawing.
        height_px: Height of the drawing.
    """

    left_m: float
    top_m: float
    px_per_m: float
    width_px: int
    height_px: int

    @classmethod
    def around(cls, walked: Sequence[Points]) -> "Floor":
        """Return the floor around some paths; ten metres square if there are none."""
        points = np.concatenate(walked) if walked else np.array([[-5.0, -5], [5, 5]])
        low, high = points.min(axis=0) - _MARGIN_M, points.max(axis=0) + _MARGIN_M
        width_m, height_m = high - low
        px_per_m = min(_WIDTH_PX / width_m, _MAX_HEIGHT_PX / height_m)
        return cls(
            left_m=float(low[0]),
            top_m=float(high[1]),
            px_per_m=float(px_per_m),
            width_px=round(width_m * px_per_m),
            height_px=round(height_m * px_per_m),
        )

    @property
    def grid_m(self) -> int:
        """Distance between the lines of the grid."""
        return 5 if self.width_px / self.px_per_m > _SMALL_M else 1

    def points_m(self) -> Points:
        """Return the place on the floor of each pixel, row by row, shape (N, 2)."""
        y_px, x_px = np.mgrid[: self.height_px, : self.width_px].reshape(2, -1)
        x_m, y_m = self.left_m + x_px / self.px_per_m, self.top_m - y_px / self.px_per_m
        return np.column_stack((x_m, y_m))

    def to_px(self, points_m: npt.ArrayLike) -> Points:
        """Return pixels of the drawing for metres, shape (N, 2)."""
        points = np.atleast_2d(np.asarray(points_m, np.float64))
        scaled: Points = (points - (self.left_m, self.top_m)) * (1, -1) * self.px_per_m
        return scaled


def draw_ground(floor: Floor, cameras: Sequence[DrawnCamera]) -> Pixels:
    """Return the floor with a grid, and outlines of what each camera sees."""
    ground, views = _lay_pictures(floor, cameras)
    _draw_grid(ground, floor)
    for view, colour in zip(views, cycle(CAMERA_COLOURS), strict=False):
        _draw_field_of_view(ground, view, colour)
    return ground


def _lay_pictures(
    floor: Floor, cameras: Sequence[DrawnCamera]
) -> tuple[Pixels, list[Mask]]:
    """Return the floor as the cameras see it when nobody is there, paled.

    And, for each camera, which part of the drawing it sees. Where several see the
    floor, each counts by the pixels that it has for it.
    """
    total = np.zeros((floor.height_px, floor.width_px, 3), np.float32)
    weight = np.zeros((floor.height_px, floor.width_px, 1), np.float32)
    views = []
    for camera in cameras:
        source_px = camera.from_floor(floor.points_m()).astype(np.float32)
        source_px = source_px.reshape(floor.height_px, floor.width_px, 2)
        detail = np.nan_to_num(_detail(source_px))[..., None]
        scene = _empty_scene(camera)
        x_px, y_px = np.nan_to_num(source_px).transpose(2, 0, 1)
        total += cv2.remap(scene, x_px, y_px, cv2.INTER_LINEAR) * detail
        weight += detail
        views.append(detail[..., 0] > 0)
    paper = np.array(PAPER, np.float32)
    mean = np.where(weight > 0, total / np.maximum(weight, _LEAST_DETAIL), paper)
    paled = paper * (1 - _FADE) + mean * _FADE
    return np.rint(paled).astype(np.uint8), views


def _detail(source_px: Pixels32) -> Pixels32:
    """Return how many pixels of a camera show each pixel of the drawing; NaN: none.

    Args:
        source_px: Where the camera sees it, shape (height, width, 2).
    """
    down, right = np.gradient(source_px, axis=0), np.gradient(source_px, axis=1)
    area: Pixels32 = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    return np.abs(area)


def _empty_scene(camera: DrawnCamera) -> Pixels:
    """Return the median of some frames, from which whoever moves has vanished."""
    last = _SAMPLED_FRAMES * _SAMPLED_EVERY
    frames = takewhile(lambda frame: frame[0] < last, camera.frames())
    sampled = [pixels for index, pixels in frames if index % _SAMPLED_EVERY == 0]
    scene: Pixels = np.median(np.stack(sampled), axis=0).astype(np.uint8)
    return scene


def _draw_grid(ground: Pixels, floor: Floor) -> None:
    """Draw a line every few metres."""
    step_m = floor.grid_m
    right_m = floor.left_m + floor.width_px / floor.px_per_m
    bottom_m = floor.top_m - floor.height_px / floor.px_per_m
    for x_m in np.arange(np.ceil(floor.left_m / step_m), right_m / step_m) * step_m:
        line(ground, floor.to_px([(x_m, bottom_m), (x_m, floor.top_m)]), _GRID)
    for y_m in np.arange(np.ceil(bottom_m / step_m), floor.top_m / step_m) * step_m:
        line(ground, floor.to_px([(floor.left_m, y_m), (right_m, y_m)]), _GRID)


def _draw_field_of_view(ground: Pixels, view: Mask, colour: Colour) -> None:
    """Outline the part of the floor that a camera's picture shows."""
    outlines, _ = cv2.findContours(
        view.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    for outline in outlines:
        line(ground, outline[:, 0], colour, 2, closed=True)


def draw_scale_bar(ground: Pixels, floor: Floor) -> None:
    """Draw a bar as long as the grid is wide into the lower left corner."""
    left, base = 24, floor.height_px - 24
    right = left + floor.grid_m * floor.px_per_m
    bar = [(left, base - 9), (left, base), (right, base), (right, base - 9)]
    line(ground, bar, WHITE, 7)
    line(ground, bar, INK, 3)
    write(ground, f"{floor.grid_m} m", left + 8, base - 12, height_px=14)
