"""Boxes with global ids, as scores take them and as files hold them."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.common.ids import CameraId
from tests.accuracy.identity.lineage import final_ids
from tests.accuracy.identity.published import Box, Published
from tests.accuracy.identity.recording import Boxes, Recording

COLUMNS = ("camera", "frame", "global_id", "x1", "y1", "x2", "y2")


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Who was where, N boxes.

    Attributes:
        cameras: Camera of each box.
        frames: Number of its frame. Shape (N,).
        ids: Its person, never 0. Shape (N,).
        boxes_px: Its corners. Shape (N, 4).
    """

    cameras: Sequence[CameraId]
    frames: NDArray[np.int64]
    ids: NDArray[np.int64]
    boxes_px: Boxes

    def __len__(self) -> int:
        """Return N."""
        return len(self.cameras)


def first_of(boxes: Sequence[Box]) -> Predictions:
    """Return boxes with the persons that were published at once."""
    return with_ids(boxes, [box.global_id for box in boxes])


def final_of(published: Published, *, coasted: bool = False) -> Predictions:
    """Return what was published, with the persons left after merges and splits.

    Args:
        published: What was published.
        coasted: Whether boxes that no detection supports are wanted too.
    """
    ids = final_ids(published)
    kept = [i for i, box in enumerate(published.boxes) if coasted or not box.coasted]
    return with_ids([published.boxes[i] for i in kept], [ids[i] for i in kept])


def with_ids(boxes: Sequence[Box], ids: Sequence[int]) -> Predictions:
    """Return boxes with persons; those of nobody are left out."""
    kept = [(box, one) for box, one in zip(boxes, ids, strict=True) if one]
    return Predictions(
        cameras=[box.camera_id for box, _ in kept],
        frames=np.array([box.frame for box, _ in kept], np.int64),
        ids=np.array([one for _, one in kept], np.int64),
        boxes_px=np.array([box.corners_px for box, _ in kept], float).reshape(-1, 4),
    )


def write_csv(predictions: Predictions, recording: Recording, path: Path) -> None:
    """Write boxes with their persons, numbered from 1 in the order of the ids."""
    names = {camera.camera_id: camera.name for camera in recording.cameras}
    numbers = np.unique(predictions.ids, return_inverse=True)[1] + 1
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for index, camera_id in enumerate(predictions.cameras):
            writer.writerow(
                [
                    names[camera_id],
                    predictions.frames[index],
                    numbers[index],
                    *(f"{value:.2f}" for value in predictions.boxes_px[index]),
                ]
            )
