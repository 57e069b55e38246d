"""Draw everybody's path on the floor, seen from above."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
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
    write,
    write_pill,
)
from demo.observation import People
from demo.palette import Colour, colour_of
from services.pipeline.domain.frames import Pixels
from spoton.common.v1 import events_pb2

_WIDTH_PX, _MAX_HEIGHT_PX = 1500, 1300
_LEGEND_PX, _TITLE_PX, _MARGIN_PX = 480, 78, 28
_LEGEND_LINE_PX = 26
_MARGIN_M = 2.0
_GRID_M = 5
_GAP_S = 1.0
_PAPER: Colour = (250, 250, 248)
_GRID: Colour = (222, 224, 226)
_CAMERA_COLOURS: Sequence[Colour] = ((176, 58, 46), (30, 110, 80), (40, 80, 160))
_SAMPLED_FRAMES = 9
_SAMPLED_EVERY = 24
_FADE = 0.45

Points = npt.NDArray[np.float64]


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
    ground = _lay_pictures(floor, cameras)
    _draw_grid(ground, floor)
    for camera, colour in zip(cameras, _CAMERA_COLOURS, strict=False):
        _draw_field_of_view(ground, floor, camera, colour)
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

    def matrix(self) -> Points:
        """Return the map from metres to pixels of the drawing, shape (3, 3)."""
        scale = self.px_per_m
        return np.array(
            [
                [scale, 0.0, -self.left_m * scale],
                [0.0, -scale, self.top_m * scale],
                [0.0, 0.0, 1.0],
            ]
        )

    def to_px(self, points_m: npt.ArrayLike) -> Points:
        """Return pixels of the drawing for metres, shape (N, 2)."""
        points = np.atleast_2d(np.asarray(points_m, np.float64))
        scaled: Points = (points - (self.left_m, self.top_m)) * (1, -1) * self.px_per_m
        return scaled


def _lay_pictures(floor: _Floor, cameras: Sequence[DrawnCamera]) -> Pixels:
    """Return the floor as the cameras see it when nobody is there, paled."""
    size_px = floor.width_px, floor.height_px
    total = np.zeros((floor.height_px, floor.width_px, 3), np.float32)
    weight = np.zeros((floor.height_px, floor.width_px, 1), np.float32)
    for camera in cameras:
        picture = _empty_scene(camera)
        laid = floor.matrix() @ camera.image_to_floor
        seen = np.ones(picture.shape[:2], np.float32)
        covered = cv2.warpPerspective(seen, laid, size_px)[..., None]
        total += cv2.warpPerspective(picture, laid, size_px) * covered
        weight += covered
    paper = np.array(_PAPER, np.float32)
    mean = np.where(weight > 0, total / np.maximum(weight, 1e-6), paper)
    paled = paper * (1 - _FADE) + mean * _FADE
    return np.rint(paled).astype(np.uint8)


def _empty_scene(camera: DrawnCamera) -> Pixels:
    """Return the median of some frames, from which whoever moves has vanished."""
    last = _SAMPLED_FRAMES * _SAMPLED_EVERY
    frames = takewhile(lambda frame: frame[0] < last, camera.frames())
    sampled = [pixels for index, pixels in frames if index % _SAMPLED_EVERY == 0]
    scene: Pixels = np.median(np.stack(sampled), axis=0).astype(np.uint8)
    return scene


def _draw_grid(ground: Pixels, floor: _Floor) -> None:
    """Draw a line every few metres."""
    right_m = floor.left_m + floor.width_px / floor.px_per_m
    bottom_m = floor.top_m - floor.height_px / floor.px_per_m
    for x_m in np.arange(np.ceil(floor.left_m / _GRID_M), right_m / _GRID_M) * _GRID_M:
        line(ground, floor.to_px([(x_m, bottom_m), (x_m, floor.top_m)]), _GRID)
    for y_m in np.arange(np.ceil(bottom_m / _GRID_M), floor.top_m / _GRID_M) * _GRID_M:
        line(ground, floor.to_px([(floor.left_m, y_m), (right_m, y_m)]), _GRID)


def _draw_field_of_view(
    ground: Pixels, floor: _Floor, camera: DrawnCamera, colour: Colour
) -> None:
    """Outline the part of the floor that a camera's picture shows."""
    width, height = camera.size_px
    corners = np.array([[0.0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]])
    mapped = corners @ camera.image_to_floor.T
    if (mapped[:, 2] <= 0).any():
        return
    line(ground, floor.to_px(mapped[:, :2] / mapped[:, 2:]), colour, 2, closed=True)


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
    """Draw a bar of five metres into the lower left corner."""
    left, base = 24, floor.height_px - 24
    right = left + _GRID_M * floor.px_per_m
    bar = [(left, base - 9), (left, base), (right, base), (right, base - 9)]
    line(ground, bar, WHITE, 7)
    line(ground, bar, INK, 3)
    write(ground, f"{_GRID_M} m", left + 8, base - 12, height_px=14)


def _framed(
    ground: Pixels, cameras: Sequence[DrawnCamera], people: People, title: str
) -> Pixels:
    """Return the floor with a title above and a legend at its right."""
    height, width = ground.shape[:2]
    height = max(height, _LEGEND_LINE_PX * (len(people.identities) + len(cameras) + 2))
    left = _MARGIN_PX + width + _MARGIN_PX
    size_px = left + _LEGEND_PX, _TITLE_PX + height + _MARGIN_PX
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


def _write_legend(
    picture: Pixels, left: int, cameras: Sequence[DrawnCamera], people: People
) -> None:
    """Write what each colour means: lines are cameras, dots are persons."""
    base = _TITLE_PX + 14
    for camera, colour in zip(cameras, _CAMERA_COLOURS, strict=False):
        line(picture, [(left, base - 5), (left + 18, base - 5)], colour, 2)
        write(picture, f"view of {camera.camera_id}", left + 28, base)
        base += _LEGEND_LINE_PX
    base += _LEGEND_LINE_PX // 2
    for person in people.identities:
        cameras_text = ", ".join(sorted(one.camera_id for one in person.cameras))
        dot(picture, (left + 9, base - 5), 7, colour_of(person.label))
        write(picture, f"P{person.label}", left + 28, base)
        text = f"id {person.global_id}  {cameras_text}"
        write(picture, text, left + 72, base, colour=MUTED)
        base += _LEGEND_LINE_PX
