"""People found in an image, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.geometry import Boxes, Region, Size, clip, overlap

MAX_OVERLAP = 0.5
"""Two boxes of one pass that overlap more are taken for one person."""

MAX_PEOPLE = 300
"""Boxes of one pass that are looked at; more are noise, and cost time."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """People found in one image.

    Attributes:
        boxes_px: float32, shape (N, 4): x_min, y_min, x_max, y_max.
        scores: float32, shape (N,), in [0, 1].
        keypoints_px: float32, shape (N, K, 3): x, y, score of each body part in the
            order of COCO. K is 0 for models that find none.
    """

    boxes_px: Boxes
    scores: NDArray[np.float32]
    keypoints_px: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def none(cls, keypoint_count: int = 0) -> "Detections":
        """Return the detections of an empty image."""
        return cls(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros((0, keypoint_count, 3), np.float32),
        )

    def take(
        self, indices: NDArray[np.integer] | NDArray[np.bool_] | slice
    ) -> "Detections":
        """Return some of the people: those at the indices, or where a mask is true."""
        return Detections(
            self.boxes_px[indices], self.scores[indices], self.keypoints_px[indices]
        )

    def best_first(self) -> "Detections":
        """Return the people in the order of their scores, the highest first."""
        return self.take(np.argsort(-self.scores, kind="stable"))

    def to_frame(self, tile: Size, region: Region) -> "Detections":
        """Return detections of a tile in coordinates of the full frame.

        Args:
            tile: Size of the picture in which they were found.
            region: Part of the frame that the picture shows.
        """
        scale = np.array(
            [region.width / tile.width, region.height / tile.height], np.float32
        )
        corner = np.array([region.x_min, region.y_min], np.float32)
        keypoints = self.keypoints_px.copy()
        keypoints[..., :2] = keypoints[..., :2] * scale + corner
        boxes = self.boxes_px * np.tile(scale, 2) + np.tile(corner, 2)
        return Detections(boxes, self.scores, keypoints)

    def inside(self, size: Size) -> "Detections":
        """Return the people clipped to an image; those outside of it are left out."""
        bounds = np.array([0, 0, size.width, size.height], np.float32)
        boxes = clip(self.boxes_px, bounds)
        clipped = Detections(boxes, self.scores, self.keypoints_px)
        visible = np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
        return clipped.take(visible)


def concatenate(parts: Sequence[Detections]) -> Detections:
    """Return all people of the parts, of which there is at least one."""
    return Detections(
        np.concatenate([part.boxes_px for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.keypoints_px for part in parts]),
    )


def suppress(detections: Detections, max_overlap: float = MAX_OVERLAP) -> Detections:
    """Return the best of each heap of overlapping boxes, the highest score first.

    This is greedy non-maximum suppression, among the best MAX_PEOPLE boxes.
    """
    ordered = detections.best_first().take(slice(MAX_PEOPLE))
    overlaps = overlap(ordered.boxes_px[:, None], ordered.boxes_px[None])
    kept = np.ones(len(ordered), bool)
    for index in range(len(ordered)):
        if kept[index]:
            kept[index + 1 :] &= overlaps[index, index + 1 :] <= max_overlap
    return ordered.take(kept)
