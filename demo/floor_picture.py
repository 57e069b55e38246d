"""Draw everybody's path on the floor, seen from above."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise, takewhile
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from demo.cameras import DrawnCamera
from demo.canvas import (
    INK,
    MUTED,
    WHITE,
    blank,
    dot,
    line,
    text_width_px,
    write,
    write_pill,
)
from demo.observation import People
from demo.palette import Colour, colour_of
from services.pipeline.domain.frames import Pixels
from spoton.common.v1 import events_pb2
from spoton.reid.v1 import reid_pb2

_WIDTH_PX, _MAX_HEIGHT_PX = 1500, 1300
_TITLE_PX, _MARGIN_PX = 78, 28
_LEGEND_LINE_PX, _LEGEND_TEXT_PX, _LEAST_LEGEND_PX = 26, 72, 120
_MARGIN_M = 2.0
_SMALL_M = 15.0
_GAP_S = 1.0
_PAPER: Colour = (250, 250, 248)
_GRID: Colour = (222, 224, 226)
_CAMERA_COLOURS: Sequence[Colour] = (
    (176, 58, 46),
    (30, 110, 80),
    (40, 80, 160),
    (150, 100, 20),
)
_SAMPLED_FRAMES = 9
_SAMPLED_EVERY = 24
_FADE = 0.45
_LEAST_DETAIL = 1e-9

Points = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Pixels32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Path2D:
    """Where one person went, without interruptions.

    Attributes:
        label: Number of the person.
        points_m: Positions on the floor, metres, shape (N, 2).
    """

    label: int
    points_m: Points


def draw_floor(
    path: Path,
    updates: Sequence[events_pb2.TrackingUpdate],
    cameras: Sequence[DrawnCamera],
    people: People,
    title: str,
) -> None:
    """Write a picture of the floor with everybody's path.

    Args:
        path: PNG file to write.
        updates: What was published, in order.
        cameras: Cameras, whose pictures and fields of view are laid on the floor.
        people: Who was seen; merged identities are drawn as one person.
        title: First line of the picture.
    """
    walked = list(paths_of(updates, people))
    floor = _Floor.around([walk.points_m for walk in walked])
    ground, views = _lay_pictures(floor, cameras)
    _draw_grid(ground, floor)
    for view, colour in zip(views, cycle(_CAMERA_COLOURS), strict=False):
        _draw_field_of_view(ground, view, colour)
    for walk in walked:
        _draw_path(ground, floor, walk)
    _draw_ends(ground, floor, walked)
    _draw_scale_bar(ground, floor)
    picture = _framed(ground, cameras, people, title)
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


def paths_of(
    updates: Sequence[events_pb2.TrackingUpdate], people: People
) -> Iterator[Path2D]:
    """Yield each person's path, cut where the person was away for over a second."""
    positions: dict[int, list[tuple[float, float, float]]] = defaultdict(list)
    for update in updates:
        time_s = update.capture_time.ToMicroseconds() / 1e6
        for person in update.persons:
            if person.HasField("position"):
                point = person.position.point
                label = people.label(person.global_id)
                positions[label].append((time_s, point.x_m, point.y_m))
    for label, timed in sorted(positions.items()):
        samples = np.array(sorted(timed))
        cuts = np.flatnonzero(np.diff(samples[:, 0]) > _GAP_S) + 1
        for part in np.split(samples[:, 1:], cuts):
            yield Path2D(label, part)


@dataclass(frozen=True, slots=True)
class _Floor:
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
    def around(cls, walked: Sequence[Points]) -> "_Floor":
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


def _lay_pictures(
    floor: _Floor, cameras: Sequence[DrawnCamera]
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
    paper = np.array(_PAPER, np.float32)
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


def _draw_grid(ground: Pixels, floor: _Floor) -> None:
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


def _draw_path(ground: Pixels, floor: _Floor, walk: Path2D) -> None:
    """Draw a line with a white edge, growing darker towards its end."""
    points_px = floor.to_px(walk.points_m)
    colour = colour_of(walk.label)
    line(ground, points_px, WHITE, 5)
    shades = np.linspace(0.55, 0.0, max(1, len(points_px) - 1))
    for (before, after), pale in zip(pairwise(points_px), shades, strict=False):
        red, green, blue = (round(c + (255 - c) * pale) for c in colour)
        line(ground, [tuple(before), tuple(after)], (red, green, blue), 3)


def _draw_ends(ground: Pixels, floor: _Floor, walked: Sequence[Path2D]) -> None:
    """Mark where each person was first seen, and name them where they were last."""
    first = {walk.label: walk.points_m[0] for walk in reversed(walked)}
    last = {walk.label: walk.points_m[-1] for walk in walked}
    for label, point_m in first.items():
        (begin,) = floor.to_px(point_m)
        dot(ground, tuple(begin), 8, WHITE)
        dot(ground, tuple(begin), 6, colour_of(label))
    for label, point_m in last.items():
        (end,) = floor.to_px(point_m)
        name = f"P{label}" if label else "?"
        colour = colour_of(label)
        write_pill(ground, name, end[0] + 5, end[1] - 4, height_px=11, colour=colour)


def _draw_scale_bar(ground: Pixels, floor: _Floor) -> None:
    """Draw a bar as long as the grid is wide into the lower left corner."""
    left, base = 24, floor.height_px - 24
    right = left + floor.grid_m * floor.px_per_m
    bar = [(left, base - 9), (left, base), (right, base), (right, base - 9)]
    line(ground, bar, WHITE, 7)
    line(ground, bar, INK, 3)
    write(ground, f"{floor.grid_m} m", left + 8, base - 12, height_px=14)


def _framed(
    ground: Pixels, cameras: Sequence[DrawnCamera], people: People, title: str
) -> Pixels:
    """Return the floor with a title above and a legend at its right."""
    height, width = ground.shape[:2]
    height = max(height, _LEGEND_LINE_PX * (len(people.identities) + len(cameras) + 2))
    left = _MARGIN_PX + width + _MARGIN_PX
    size_px = left + _legend_width_px(people), _TITLE_PX + height + _MARGIN_PX
    picture = blank(*size_px, _PAPER)
    bottom = _TITLE_PX + ground.shape[0]
    picture[_TITLE_PX:bottom, _MARGIN_PX : _MARGIN_PX + width] = ground
    write(picture, title, _MARGIN_PX, 38, height_px=20)
    write(
        picture,
        "Paths on the floor: dot = first seen, label = last seen, pale = earlier",
        _MARGIN_PX,
        63,
        height_px=12,
        colour=MUTED,
    )
    _write_legend(picture, left, cameras, people)
    return picture


def _legend_width_px(people: People) -> int:
    """Return how wide the legend is with its longest line."""
    widths = [text_width_px(_seen_text(person), 12) for person in people.identities]
    return _LEGEND_TEXT_PX + max(widths, default=_LEAST_LEGEND_PX) + _MARGIN_PX


def _seen_text(person: reid_pb2.Identity) -> str:
    """Return a person's global id and the cameras that saw the person."""
    cameras = ", ".join(sorted(one.camera_id for one in person.cameras))
    return f"id {person.global_id}  {cameras}"


def _write_legend(
    picture: Pixels, left: int, cameras: Sequence[DrawnCamera], people: People
) -> None:
    """Write what each colour means: lines are cameras, dots are persons."""
    base = _TITLE_PX + 14
    for camera, colour in zip(cameras, cycle(_CAMERA_COLOURS), strict=False):
        line(picture, [(left, base - 5), (left + 18, base - 5)], colour, 2)
        write(picture, f"view of {camera.camera_id}", left + 28, base)
        base += _LEGEND_LINE_PX
    base += _LEGEND_LINE_PX // 2
    for person in people.identities:
        dot(picture, (left + 9, base - 5), 7, colour_of(person.label))
        write(picture, f"P{person.label}", left + 28, base)
        text_left = left + _LEGEND_TEXT_PX
        write(picture, _seen_text(person), text_left, base, colour=MUTED)
        base += _LEGEND_LINE_PX
