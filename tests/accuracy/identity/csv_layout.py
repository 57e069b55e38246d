"""Recordings as folders of CSV files: detections, truth, cameras, simulated vectors.

    detections.csv   camera,frame,timestamp_s,x1,y1,x2,y2,confidence
    gt.csv           camera,frame,person_id,x1,y1,x2,y2   (may be absent)
    cameras.json     fps, and for each camera width, height, homography_image_to_floor
    appearance_simulated_seed<n>.npz   emb, row i for row i of detections.csv

Truth and vectors may be absent; other columns are ignored. A frame in which no camera
found anything is there all the same: frames are counted from the first to the last
number that any file names.
"""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.common.ids import CameraId, ModelId
from tests.accuracy.identity.recording import (
    Boxes,
    Camera,
    Frame,
    Recording,
    Truth,
    VectorModel,
)
from tests.accuracy.identity.unusable import UnusableData

LEAST_HEIGHT_PX = 40.0
"""People who are smaller are annotated unreliably; they do not count."""

SIMULATED_MATCH_SIMILARITY = 0.17
"""Where the densities of the simulated vectors cross: same person .33 ± .10, two
persons 0 ± .12, within cameras and across, alike for all seeds. As for every embedder,
this belongs to the model, and not to a site."""

_DETECTIONS, _TRUTH, _CAMERAS = "detections.csv", "gt.csv", "cameras.json"
_VECTORS = re.compile(r"appearance_simulated_seed(\d+)\.npz")
_CORNERS = ("x1", "y1", "x2", "y2")
_LEAST_CONFIDENCE = 0.5
_START_NS = 1_700_000_000_000_000_000

_Rows = Mapping[tuple[str, int], Sequence[tuple[int, Mapping[str, str]]]]
"""Rows with their numbers, by camera and frame."""


def seeds_in(folder: Path) -> tuple[int, ...]:
    """Return the seeds of the simulated vectors that a folder has."""
    matches = (_VECTORS.fullmatch(path.name) for path in folder.iterdir())
    return tuple(sorted(int(match[1]) for match in matches if match))


def load(folder: Path, seed: int | None = None, floor: str = _CAMERAS) -> Recording:
    """Return the recording in a folder.

    Args:
        folder: Where the files lie.
        seed: Of the simulated vectors; None for none.
        floor: Name of the file that describes cameras and floor.

    Raises:
        UnusableData: A file is missing or wrong.
    """
    found = _rows(folder / _DETECTIONS, ("timestamp_s", "confidence", *_CORNERS))
    has_truth = (folder / _TRUTH).is_file()
    there = _rows(folder / _TRUTH, ("person_id", *_CORNERS)) if has_truth else {}
    described = _described(folder / floor)
    cameras = [
        _camera(name, described, folder / floor)
        for name in sorted({name for name, _ in (*found, *there)})
    ]
    _refuse_equal_ids(cameras)
    count = sum(len(rows) for rows in found.values())
    vectors = None if seed is None else _vectors(folder, seed, count)
    times_ns = _times_ns(found, there, float(described.get("fps") or 0))
    return Recording(
        name=folder.resolve().name,
        cameras=cameras,
        frames={
            camera.camera_id: [
                _frame(camera.name, number, time_ns, found, there, vectors, has_truth)
                for number, time_ns in times_ns.items()
            ]
            for camera in cameras
        },
        rate_hz=float(described.get("fps") or 0) or _rate_hz(times_ns),
        high_score=_LEAST_CONFIDENCE,
        low_score=_LEAST_CONFIDENCE,
        vector_model=None
        if vectors is None
        else VectorModel(
            ModelId("simulated"), vectors.shape[1], SIMULATED_MATCH_SIMILARITY
        ),
        least_height_px=LEAST_HEIGHT_PX,
    )


def _frame(
    camera: str,
    number: int,
    time_ns: int,
    found: _Rows,
    there: _Rows,
    vectors: NDArray[np.float32] | None,
    has_truth: bool,  # noqa: FBT001 - private, one caller.
) -> Frame:
    """Return one frame; without rows it is one in which nothing was found."""
    rows = found.get((camera, number), ())
    people = there.get((camera, number), ())
    return Frame(
        number=number,
        time_ns=time_ns,
        boxes_px=_boxes(rows),
        scores=np.array([float(row["confidence"]) for _, row in rows], np.float64),
        vectors=None if vectors is None else vectors[[index for index, _ in rows]],
        truth=Truth(
            np.array([int(row["person_id"]) for _, row in people], np.int64),
            _boxes(people),
        )
        if has_truth
        else None,
    )


def _rows(path: Path, needed: Iterable[str]) -> _Rows:
    """Return the rows of a file, with their numbers.

    Raises:
        UnusableData: It is missing, or a column or value is.
    """
    if not path.is_file():
        raise UnusableData(f"{path} does not exist")
    rows: dict[tuple[str, int], list[tuple[int, dict[str, str]]]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        needed = tuple(needed)
        for name in ("camera", "frame", *needed):
            if name not in (reader.fieldnames or ()):
                raise UnusableData(f"{path} has no column {name}")
        for index, row in enumerate(reader):
            try:
                for name in needed:
                    float(row[name])
                key = row["camera"], int(float(row["frame"]))
            except (TypeError, ValueError):
                message = f"{path}: line {index + 2} holds no number where one must be"
                raise UnusableData(message) from None
            rows[key].append((index, row))
    return rows


def _boxes(rows: Sequence[tuple[int, Mapping[str, str]]]) -> Boxes:
    """Return the corners in some rows. Shape (N, 4)."""
    corners = [[float(row[name]) for name in _CORNERS] for _, row in rows]
    return np.array(corners, np.float64).reshape(-1, 4)


def _described(path: Path) -> Mapping[str, Any]:
    """Return what is said about the cameras."""
    if not path.is_file():
        raise UnusableData(f"{path} does not exist")
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnusableData(f"{path} is not JSON: {error}") from None
    if not isinstance(described, dict) or not isinstance(
        described.get("cameras"), dict
    ):
        raise UnusableData(f"{path} has no object cameras")
    return described


def _camera(name: str, described: Mapping[str, Any], path: Path) -> Camera:
    """Return a camera; one without a homography is not calibrated."""
    entry = described["cameras"].get(name)
    if entry is None:
        raise UnusableData(f"{path} does not describe camera {name}")
    matrix = entry.get("homography_image_to_floor")
    if matrix is not None and np.size(matrix) != 9:
        message = f"{path}: {name}.homography_image_to_floor must have nine values"
        raise UnusableData(message)
    try:
        size_px = int(entry["width"]), int(entry["height"])
    except (KeyError, TypeError, ValueError):
        raise UnusableData(f"{path}: {name} needs width and height") from None
    return Camera(
        camera_id=camera_id_of(name),
        name=name,
        size_px=size_px,
        image_to_floor=None if matrix is None else homography_of(matrix),
    )


def camera_id_of(name: str) -> CameraId:
    """Return a name that the mesh accepts.

    >>> camera_id_of("IP_2"), camera_id_of("7")
    ('ip-2', 'camera-7')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return CameraId(plain if plain[:1].isalpha() else f"camera-{plain}".strip("-"))


def homography_of(values: Any) -> tuple[float, ...]:
    """Return a homography row by row, with 1 as its last value."""
    flat = np.asarray(values, np.float64).reshape(9)
    return tuple((flat / flat[8]).tolist())


def _refuse_equal_ids(cameras: Sequence[Camera]) -> None:
    if len({camera.camera_id for camera in cameras}) < len(cameras):
        names = ", ".join(camera.name for camera in cameras)
        raise UnusableData(f"cameras differ in upper case or signs only: {names}")


def _vectors(folder: Path, seed: int, count: int) -> NDArray[np.float32]:
    """Return simulated unit vectors of all detections."""
    path = folder / f"appearance_simulated_seed{seed}.npz"
    if not path.is_file():
        raise UnusableData(f"{path} does not exist")
    with np.load(path) as file:
        values = file["emb"].astype(np.float32)
    if len(values) != count:
        raise UnusableData(f"{path} has {len(values)} rows for {count} detections")
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.maximum(lengths, 1e-9), np.float32)


def _times_ns(found: _Rows, there: _Rows, rate_hz: float) -> dict[int, int]:
    """Return when each frame was taken, by its number, also of the empty ones."""
    known: dict[int, float] = {}
    for (_, number), rows in found.items():
        known.setdefault(number, float(rows[0][1]["timestamp_s"]))
    if not known:
        raise UnusableData(f"{_DETECTIONS} has no rows")
    numbers = sorted({*known, *(number for _, number in there)})
    step = int(np.gcd.reduce(np.diff(numbers))) if len(numbers) > 1 else 1
    every = np.arange(numbers[0], numbers[-1] + 1, step)
    at = np.array(sorted(known))
    at_s = np.array([known[number] for number in at.tolist()])
    period_s = 1 / rate_hz if rate_hz else _period_s(at, at_s)
    times_s = np.interp(every, at, at_s)
    times_s += period_s * np.minimum(every - at[0], 0)
    times_s += period_s * np.maximum(every - at[-1], 0)
    if (np.diff(times_s) <= 0).any():
        raise UnusableData(f"{_DETECTIONS}: timestamp_s does not grow with frame")
    stamps = _START_NS + np.round(1e9 * times_s).astype(np.int64)
    return dict(zip(every.tolist(), stamps.tolist(), strict=True))


def _period_s(numbers: NDArray[np.int64], times_s: NDArray[np.float64]) -> float:
    """Return the time from one frame number to the next, seconds."""
    if len(numbers) < 2:
        return 0.04
    return float(times_s[-1] - times_s[0]) / float(numbers[-1] - numbers[0])


def _rate_hz(times_ns: Mapping[int, int]) -> float:
    """Return the frames per second."""
    stamps = np.array(list(times_ns.values()))
    return 1e9 / float(np.mean(np.diff(stamps))) if len(stamps) > 1 else 25.0
