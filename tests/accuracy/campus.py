"""Four real cameras: CAMPUS-Auditorium, as SPOTON_EVAL_DATA has it."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.tracker.domain.frame import Detections
from tests.accuracy.tracked_scene import TruthFrame, TruthScene

FOLDER = "campus-auditorium-dev"
SEEDS = (0, 1, 2)
_SIZE_PX = (1920, 1080)
_LEAST_CONFIDENCE = 0.5
"""All detections are at least this sure, so none is weak."""
_LEAST_HEIGHT_PX = 40.0
_START_NS = 1_700_000_000_000_000_000

Rows = dict[tuple[str, int], list[tuple[int, dict[str, str]]]]


def campus_scenes(folder: Path, seed: int | None) -> dict[str, TruthScene]:
    """Return a scene for each camera.

    Args:
        folder: Of the evaluation data.
        seed: Of the simulated vectors; None for none.
    """
    detections, truth = _rows(folder, "detections.csv"), _rows(folder, "gt.csv")
    looks = None if seed is None else _looks(folder, seed)
    cameras = sorted({camera for camera, _ in truth})
    return {
        camera: TruthScene(
            _SIZE_PX,
            _LEAST_CONFIDENCE,
            _LEAST_CONFIDENCE,
            list(_frames(camera, detections, truth, looks)),
            _LEAST_HEIGHT_PX,
        )
        for camera in cameras
    }


def _frames(
    camera: str, detections: Rows, truth: Rows, looks: NDArray[np.float32] | None
) -> Iterator[TruthFrame]:
    """Yield the frames of a camera, those in which nothing was found too."""
    times_s = {
        number: float(rows[0][1]["timestamp_s"])
        for (_, number), rows in detections.items()
    }
    numbers = sorted({key[1] for key in (*detections, *truth)} & set(times_s))
    for number in numbers:
        found, there = (
            detections.get((camera, number), []),
            truth.get((camera, number), []),
        )
        indices = [index for index, _ in found]
        yield TruthFrame(
            detections=Detections(
                time_ns=_START_NS + round(1e9 * times_s[number]),
                boxes_px=_boxes(found),
                scores=np.array([float(row["confidence"]) for _, row in found]),
                ankles_px=np.zeros((len(found), 2, 3)),
            ),
            looks=None if looks is None else looks[indices],
            people=np.array([int(row["person_id"]) for _, row in there], np.int64),
            people_px=_boxes(there),
        )


def _rows(folder: Path, name: str) -> Rows:
    """Return the rows of a file with their numbers, by camera and frame."""
    rows: Rows = defaultdict(list)
    with (folder / FOLDER / name).open(newline="") as file:
        for index, row in enumerate(csv.DictReader(file)):
            rows[row["camera"], int(row["frame"])].append((index, row))
    return rows


def _boxes(rows: Sequence[tuple[int, dict[str, str]]]) -> NDArray[np.float64]:
    """Return the corners in some rows. Shape (N, 4)."""
    corners: list[Any] = [
        [float(row[k]) for k in ("x1", "y1", "x2", "y2")] for _, row in rows
    ]
    return np.array(corners, np.float64).reshape(-1, 4)


def _looks(folder: Path, seed: int) -> NDArray[np.float32]:
    """Return simulated unit vectors of all detections."""
    path = folder / FOLDER / f"appearance_simulated_seed{seed}.npz"
    with np.load(path) as file:
        values = file["emb"].astype(np.float32)
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))
