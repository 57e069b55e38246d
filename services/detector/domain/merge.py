"""Put together what was found in overlapping tiles."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.detections import Detections, concatenate
from services.detector.domain.geometry import Boxes, Region, Size, clip, overlap

_SAME_PERSON = 0.5
_CUT_MARGIN = 0.02


def merge_tiles(
    found: Sequence[Detections], regions: Sequence[Region], frame: Size
) -> Detections:
    """Return each person once, the highest score first.

    Detections of one tile are never merged: the model tells those people apart. Those
    of two tiles are one person if they agree on what both tiles could see. A box that
    ends at its tile's border is compared only inside the part that the tiles share,
    because beyond it one of them was blind; boxes that are whole are compared whole,
    so that neighbours stay apart. Of one person's boxes a whole one is kept; where
    every tile saw a part, the parts are joined.

    Args:
        found: What each tile showed, in coordinates of the full frame.
        regions: The tiles, as many as `found`.
        frame: The full frame.
    """
    if len(found) == 1:
        return found[0].inside(frame).best_first()
    people = concatenate(found)
    tile = np.repeat(np.arange(len(found)), [len(part) for part in found])
    bounds = np.array(
        [(r.x_min, r.y_min, r.x_max, r.y_max) for r in regions], np.float32
    )
    boxes = clip(people.boxes_px, bounds[tile])
    people = Detections(boxes, people.scores, people.keypoints_px)
    cut = _is_cut(boxes, bounds[tile], frame)
    merged = []
    free = np.ones(len(people), bool)
    for leader in np.lexsort((-people.scores, cut)):
        if free[leader]:
            same = free & _same_person(leader, boxes, bounds[tile], cut)
            same &= tile != tile[leader]
            free &= ~same
            free[leader] = False
            others = people.take(same)
            merged.append(
                _join(people.take(np.array([leader])), others, cut=bool(cut[leader]))
            )
    return concatenate(merged or [people]).inside(frame).best_first()


def _is_cut(boxes: Boxes, bounds: Boxes, frame: Size) -> NDArray[np.bool_]:
    """Return which boxes reach a border of their tile inside the frame, shape (N,)."""
    ends = np.array([0, 0, frame.width, frame.height], np.float32)
    inner = np.abs(bounds - ends) >= 1.0
    sides = np.tile(bounds[:, 2:] - bounds[:, :2], (1, 2))
    reached = np.abs(boxes - bounds) <= _CUT_MARGIN * sides
    return np.asarray((inner & reached).any(axis=1))


def _same_person(
    leader: int, boxes: Boxes, bounds: Boxes, cut: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which boxes agree with one of them on what both tiles saw, shape (N,)."""
    shared = np.concatenate(
        [
            np.maximum(bounds[leader, :2], bounds[:, :2]),
            np.minimum(bounds[leader, 2:], bounds[:, 2:]),
        ],
        axis=-1,
    )
    seen = overlap(clip(boxes[leader], shared), clip(boxes, shared))
    whole = overlap(boxes[leader], boxes)
    return np.asarray(np.where(cut[leader] | cut, seen, whole) > _SAME_PERSON)


def _join(leader: Detections, others: Detections, *, cut: bool) -> Detections:
    """Return one person: as the leader saw it, or all parts together if it is cut."""
    parts = concatenate([leader, others])
    score = parts.scores.max(keepdims=True)
    if not cut:
        return Detections(leader.boxes_px, score, leader.keypoints_px)
    box = np.concatenate(
        [parts.boxes_px[:, :2].min(axis=0), parts.boxes_px[:, 2:].max(axis=0)]
    )
    best = parts.keypoints_px[..., 2].argmax(axis=0)
    keypoints = parts.keypoints_px[best, np.arange(len(best))]
    return Detections(box[None], score, keypoints[None])
