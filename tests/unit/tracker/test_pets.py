"""The native tracker on people who really walked."""

import os
from pathlib import Path

import numpy as np
import pytest

from services.tracker.domain.frame import Detections, TrackState
from services.tracker.domain.native import NativeTracker
from services.tracker.domain.tracker import TrackerSettings
from tests.unit.tracker.scenes import START_NS, take

_FOLDER = os.environ.get("SPOTON_EVAL_DATA", "")
_BOXES = Path(_FOLDER) / "pets2009-view1" / "gt_frames_1_69.txt"
_SIZE_PX = (768, 576)
_RATE_HZ = 7


@pytest.mark.skipif(
    not (_FOLDER and _BOXES.exists()),
    reason="SPOTON_EVAL_DATA names no folder with pets2009-view1",
)
@pytest.mark.parametrize("seed", range(3))
def test_noisy_boxes_of_six_people_become_about_six_tracks(seed: int) -> None:
    """A tenth of the boxes missing and 2 % of noise hardly break tracks."""
    random = np.random.default_rng(seed)
    rows = np.loadtxt(_BOXES, delimiter=",")
    tracker = NativeTracker(TrackerSettings(_SIZE_PX, 0.5, 0.1, 1.0, False))  # noqa: FBT003
    believed: set[int] = set()
    for number in np.unique(rows[:, 0]):
        boxes = rows[(rows[:, 0] == number) & (random.random(len(rows)) > 0.1), 2:6]
        corners = np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1)
        corners += random.normal(0, 0.02, corners.shape) * boxes[:, 3:]
        detections = Detections(
            time_ns=START_NS + int(number / _RATE_HZ * 1e9),
            boxes_px=np.clip(corners, 0, _SIZE_PX * 2),
            scores=random.uniform(0.5, 1.0, len(corners)),
            ankles_px=np.zeros((len(corners), 2, 3)),
        )
        tracks = take(tracker, detections)
        confirmed = tracks.states == TrackState.CONFIRMED
        believed |= set(tracks.track_ids[confirmed].tolist())
    people = len(np.unique(rows[:, 1]))
    assert people <= len(believed) <= people + 2
