"""Truth and predictions side by side, one camera's frame after the other."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from services.common.ids import CameraId
from tests.accuracy.identity.predictions import Predictions
from tests.accuracy.identity.recording import Recording, Truth
from tests.accuracy.track_scores import iou

SAME = 0.5
"""Overlap from which a box shows a person."""

_NOBODY = Truth(np.empty(0, np.int64), np.empty((0, 4)))


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One frame of one camera: G people, P predicted boxes.

    Attributes:
        camera_id: The camera.
        frame: Number of the frame.
        time_ns: When it was taken.
        persons: Who was there. Shape (G,).
        persons_px: Their boxes. Shape (G, 4).
        ids: Who was predicted. Shape (P,).
        rows: Their places in the predictions. Shape (P,).
        similarity: Intersection over union. Shape (G, P).
    """

    camera_id: CameraId
    frame: int
    time_ns: int
    persons: NDArray[np.int64]
    persons_px: NDArray[np.float64]
    ids: NDArray[np.int64]
    rows: NDArray[np.int64]
    similarity: NDArray[np.float64]


def steps_of(recording: Recording, predictions: Predictions) -> Sequence[Step]:
    """Return the frames of all cameras, camera by camera, in order of time.

    Some people do not count, such as those below the recording's least height; nor do
    predictions that show one of them better than anybody who counts.
    """
    rows: dict[tuple[CameraId, int], list[int]] = defaultdict(list)
    keys = zip(predictions.cameras, predictions.frames.tolist(), strict=True)
    for row, key in enumerate(keys):
        rows[key].append(row)
    return [
        _step(
            camera_id,
            frame.number,
            frame.time_ns,
            frame.truth or _NOBODY,
            np.array(rows.get((camera_id, frame.number), ()), np.int64),
            predictions,
            recording.least_height_px,
        )
        for camera_id, frames in sorted(recording.frames.items())
        for frame in frames
    ]


def _step(
    camera_id: CameraId,
    number: int,
    time_ns: int,
    truth: Truth,
    rows: NDArray[np.int64],
    predictions: Predictions,
    least_height_px: float,
) -> Step:
    similarity = iou(truth.boxes_px, predictions.boxes_px[rows])
    counts = truth.boxes_px[:, 3] - truth.boxes_px[:, 1] >= least_height_px
    if truth.counts is not None:
        counts &= truth.counts
    kept = np.ones(len(rows), np.bool_)
    if len(rows) and not counts.all():
        good = np.where(similarity >= SAME, similarity + 10.0 * counts[:, None], 0.0)
        people, boxes = linear_sum_assignment(good, maximize=True)
        kept[boxes[(good[people, boxes] > 0) & ~counts[people]]] = False
    return Step(
        camera_id,
        number,
        time_ns,
        truth.persons[counts],
        truth.boxes_px[counts],
        predictions.ids[rows[kept]],
        rows[kept],
        similarity[counts][:, kept],
    )
