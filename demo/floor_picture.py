"""Draw everybody's path on the floor, seen from above."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise
from pathlib import Path

import cv2
import numpy as np

from demo.cameras import DrawnCamera
from demo.canvas import (
    MUTED,
    WHITE,
    blank,
    dot,
    line,
    text_width_px,
    write,
    write_pill,
)
from demo.ground import (
    CAMERA_COLOURS,
    PAPER,
    Floor,
    Points,
    draw_ground,
    draw_scale_bar,
)
from demo.observation import People
from demo.palette import colour_of
from services.pipeline.domain.frames import Pixels
from spoton.common.v1 import events_pb2
from spoton.reid.v1 import reid_pb2

_TITLE_PX, _MARGIN_PX = 78, 28
_LEGEND_LINE_PX, _LEGEND_TEXT_PX, _LEAST_LEGEND_PX = 26, 72, 120
_GAP_S = 1.0


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
    floor = Floor.around([walk.points_m for walk in walked])
    ground = draw_ground(floor, cameras)
    for walk in walked:
        _draw_path(ground, floor, walk)
    _draw_ends(ground, floor, walked)
    draw_scale_bar(ground, floor)
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


def _draw_path(ground: Pixels, floor: Floor, walk: Path2D) -> None:
    """Draw a line with a white edge, growing darker towards its end."""
    points_px = floor.to_px(walk.points_m)
    colour = colour_of(walk.label)
    line(ground, points_px, WHITE, 5)
    shades = np.linspace(0.55, 0.0, max(1, len(points_px) - 1))
    for (before, after), pale in zip(pairwise(points_px), shades, strict=False):
        red, green, blue = (round(c + (255 - c) * pale) for c in colour)
        line(ground, [tuple(before), tuple(after)], (red, green, blue), 3)


def _draw_ends(ground: Pixels, floor: Floor, walked: Sequence[Path2D]) -> None:
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


def _framed(
    ground: Pixels, cameras: Sequence[DrawnCamera], people: People, title: str
) -> Pixels:
    """Return the floor with a title above and a legend at its right."""
    height, width = ground.shape[:2]
    height = max(height, _LEGEND_LINE_PX * (len(people.identities) + len(cameras) + 2))
    left = _MARGIN_PX + width + _MARGIN_PX
    size_px = left + _legend_width_px(people), _TITLE_PX + height + _MARGIN_PX
    picture = blank(*size_px, PAPER)
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
    for camera, colour in zip(cameras, cycle(CAMERA_COLOURS), strict=False):
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
