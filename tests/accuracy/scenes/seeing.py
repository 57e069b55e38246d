"""What a camera sees of people, and what a detector makes of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.accuracy.scenes.rig import SIZE_PX, RigCamera

Array = NDArray[np.float64]

COUNTS_FROM = 0.25
"""Share of a person that must be seen to count."""

_FEET_RADIUS_M = 0.12
_HEAD_RADIUS_M = 0.22
_GRID = (8, 16)
_BODY_SHARE = 0.8
"""Width of what hides somebody behind, against its box."""

_LEAST_INSIDE = 0.4
_LEAST_DEPTH_M = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """People before a camera, in one frame; G of them are in the picture.

    Attributes:
        people: Who, shape (G,).
        boxes_px: Whole boxes, cut at the border. Shape (G, 4).
        visible_px: Boxes around what nobody hides. Shape (G, 4).
        shares: How much of each box shows each person. Shape (G, people).
    """

    people: NDArray[np.int64]
    boxes_px: Array
    visible_px: Array
    shares: Array

    @property
    def visible(self) -> Array:
        """How much of everybody is seen, in [0, 1]. Shape (G,)."""
        return np.asarray(self.shares[np.arange(len(self.people)), self.people])


def cylinders_px(
    camera: RigCamera, feet_m: Array, heights_m: Array, radii_m: tuple[float, float]
) -> tuple[Array, Array]:
    """Return boxes, shape (N, 4), and depths of upright bodies; NaN where behind."""
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ring = np.column_stack((np.cos(angles), np.sin(angles)))
    low = np.concatenate((radii_m[0] * ring, np.zeros((8, 1))), axis=1)
    high = np.concatenate((radii_m[1] * ring, np.ones((8, 1))), axis=1)
    body = np.tile(np.concatenate((low, high))[None], (len(feet_m), 1, 1))
    body[..., :2] += feet_m[:, None]
    body[..., 2] *= heights_m[:, None]
    pixels, depth = camera.project(body)
    boxes = np.concatenate((pixels.min(axis=1), pixels.max(axis=1)), axis=1)
    return boxes, depth.min(axis=1)


def view_of(
    camera: RigCamera,
    feet_m: Array,
    heights_m: Array,
    pillars_px: Array,
    hidden_m: Array,
) -> View:
    """Return what a camera sees.

    Args:
        camera: The camera.
        feet_m: Where people stand, NaN for who is not there. Shape (people, 2).
        heights_m: Their heights. Shape (people,).
        pillars_px: Boxes of pillars. Shape (P, 4).
        hidden_m: Depths of the pillars. Shape (P,).
    """
    boxes, depth = cylinders_px(
        camera, feet_m, heights_m, (_FEET_RADIUS_M, _HEAD_RADIUS_M)
    )
    width, height = SIZE_PX
    cut = np.column_stack(
        (boxes[:, 0::2].clip(0, width), boxes[:, 1::2].clip(0, height))
    )[:, [0, 2, 1, 3]]
    inside = _area(cut) / np.maximum(_area(boxes), 1e-9)
    with np.errstate(invalid="ignore"):
        there = (depth > _LEAST_DEPTH_M) & (inside > _LEAST_INSIDE)
    people = np.flatnonzero(there)
    shares = np.zeros((len(people), len(feet_m)))
    visible_px = cut[people].copy()
    for row, who in enumerate(people):
        nearer = people[depth[people] < depth[who]]
        blocks = pillars_px[hidden_m < depth[who]]
        shares[row], visible_px[row] = _seen(
            cut[who], who, len(feet_m), nearer, cut[nearer], depth[nearer], blocks
        )
    return View(people, cut[people], visible_px, shares)


def _seen(
    box: Array,
    who: int,
    people: int,
    nearer: NDArray[np.int64],
    nearer_px: Array,
    depths: Array,
    blocks: Array,
) -> tuple[Array, Array]:
    """Return how much of a box shows each person, and the box around the own part."""
    columns, rows = _GRID
    x = box[0] + (np.arange(columns) + 0.5) / columns * (box[2] - box[0])
    y = box[1] + (np.arange(rows) + 0.5) / rows * (box[3] - box[1])
    shown = np.full((rows, columns), who)
    for place in np.argsort(-depths):
        shown[_covered(nearer_px[place], x, y, _BODY_SHARE)] = nearer[place]
    for block in blocks:
        shown[_covered(block, x, y, 1.0)] = -1
    counts = np.bincount(shown[shown >= 0].ravel(), minlength=people)
    found = counts / shown.size
    own = shown == who
    if not own.any():
        return found, box
    left, right = np.flatnonzero(own.any(axis=0))[[0, -1]]
    top, bottom = np.flatnonzero(own.any(axis=1))[[0, -1]]
    step_x, step_y = (box[2] - box[0]) / columns, (box[3] - box[1]) / rows
    edges = (left * step_x, top * step_y, (right + 1) * step_x, (bottom + 1) * step_y)
    return found, np.array([box[0], box[1], box[0], box[1]]) + edges


def _covered(box: Array, x: Array, y: Array, share: float) -> NDArray[np.bool_]:
    """Return which points of a grid a body hides, shape (len(y), len(x))."""
    middle, half = (box[0] + box[2]) / 2, share * (box[2] - box[0]) / 2
    return np.asarray(
        (np.abs(x - middle) <= half)[None] & ((y >= box[1]) & (y <= box[3]))[:, None]
    )


def _area(boxes: Array) -> Array:
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(sides.prod(axis=1))
