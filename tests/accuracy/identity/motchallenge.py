"""Recordings in the form of MOTChallenge, of one camera or of several.

A sequence is a folder with `gt/gt.txt`, `det/det.txt` and `seqinfo.ini`. A folder of
such folders, one a camera, with ids that hold across them, is one recording of several
cameras: the form of MTMMC, whose scenes hold `c01`, `c02` and so on. A `cameras.json`
beside the cameras' folders may give homographies, as in the CSV layout.

Without `det.txt` the annotated boxes stand for detections, which measures identity
alone. Frames are counted as the files count them.
"""

import configparser
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.accuracy.identity.csv_layout import camera_id_of, homography_of
from tests.accuracy.identity.recording import Boxes, Camera, Frame, Recording, Truth
from tests.accuracy.identity.unusable import UnusableData

_GT, _DET, _INFO = "gt/gt.txt", "det/det.txt", "seqinfo.ini"
_PEDESTRIAN = 1
_ALIKE = (2, 7, 8, 12)
"""On a vehicle, static, distractor, reflection: to find them is no error."""

_START_NS = 1_700_000_000_000_000_000
_LOW_SCORE, _HIGH_SCORE = 0.1, 0.5
_DEFAULT_RATE_HZ = 25.0
_DEFAULT_SIZE_PX = (1920, 1080)

_Rows = NDArray[np.float64]


def is_sequence(folder: Path) -> bool:
    """Return whether a folder holds one camera's sequence."""
    return (folder / _GT).is_file() or (folder / _DET).is_file()


def camera_folders(folder: Path) -> Sequence[Path]:
    """Return the folders of the cameras in a folder, itself if it is one."""
    if is_sequence(folder):
        return (folder,)
    return tuple(sorted(path for path in folder.iterdir() if is_sequence(path)))


def load(folder: Path) -> Recording:
    """Return the recording in a folder.

    Raises:
        UnusableData: A file is missing or wrong.
    """
    folders = camera_folders(folder)
    if not folders:
        raise UnusableData(f"{folder} holds neither {_GT} nor {_DET}, nor its folders")
    floors = _floors(folder / "cameras.json")
    cameras, frames, rates_hz = [], {}, []
    for own in folders:
        size_px, rate_hz, count = _info(own / _INFO)
        camera = Camera(camera_id_of(own.name), own.name, size_px, floors.get(own.name))
        cameras.append(camera)
        rates_hz.append(rate_hz)
        frames[camera.camera_id] = _frames(own, rate_hz, count, size_px)
    return Recording(
        name=folder.resolve().name,
        cameras=sorted(cameras, key=lambda one: one.camera_id),
        frames=frames,
        rate_hz=max(rates_hz),
        high_score=_HIGH_SCORE,
        low_score=_LOW_SCORE,
    )


def _frames(
    folder: Path, rate_hz: float, count: int | None, size_px: tuple[int, int]
) -> Sequence[Frame]:
    """Return the frames of a camera, those in which nothing was found too."""
    truth = _rows(folder / _GT, least=7) if (folder / _GT).is_file() else None
    found = _rows(folder / _DET, least=7) if (folder / _DET).is_file() else None
    there, detected = _by_frame(truth), _by_frame(found)
    last = count or max((*there, *detected), default=0)
    first = min((*there, *detected), default=1)
    frames = []
    for number in range(min(first, 1), last + 1):
        persons = None if truth is None else _truth(there.get(number))
        rows = detected.get(number)
        if found is None and persons is not None:
            boxes_px = _inside(persons.boxes_px, size_px)
            scores = np.ones(len(boxes_px))
        else:
            boxes_px = _inside(_corners(rows), size_px)
            scores = np.empty(0) if rows is None else _scores(rows[:, 6], found)
        usable = (boxes_px[:, 2:] - boxes_px[:, :2] > 1.0).all(axis=1)
        time_ns = _START_NS + round(1e9 * number / rate_hz)
        frames.append(
            Frame(number, time_ns, boxes_px[usable], scores[usable], truth=persons)
        )
    return frames


def _truth(rows: _Rows | None) -> Truth:
    """Return the people of a frame; other classes are left out."""
    if rows is None:
        return Truth(np.empty(0, np.int64), np.empty((0, 4)))
    classes = rows[:, 7] if rows.shape[1] == 9 else np.full(len(rows), _PEDESTRIAN)
    kept = rows[np.isin(classes, (_PEDESTRIAN, *_ALIKE))]
    classes = classes[np.isin(classes, (_PEDESTRIAN, *_ALIKE))]
    return Truth(
        persons=kept[:, 1].astype(np.int64),
        boxes_px=_corners(kept),
        counts=(kept[:, 6] != 0) & (classes == _PEDESTRIAN),
    )


def _scores(scores: _Rows, all_rows: _Rows | None) -> NDArray[np.float64]:
    """Return scores; those of a detector that does not use [0, 1] are all sure."""
    assert all_rows is not None
    every = all_rows[:, 6]
    if every.min() < 0 or every.max() > 1:
        return np.ones(len(scores))
    return scores


def _corners(rows: _Rows | None) -> Boxes:
    """Return left, top, width, height by their corners. Shape (N, 4)."""
    if rows is None:
        return np.empty((0, 4))
    return np.column_stack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]])


def _inside(boxes_px: Boxes, size_px: tuple[int, int]) -> Boxes:
    """Return boxes cut by the picture's border."""
    return np.asarray(np.clip(boxes_px, 0, [*size_px, *size_px]), np.float64)


def _rows(path: Path, least: int) -> _Rows:
    """Return the numbers in a file, one row a box.

    Raises:
        UnusableData: There is something else in it.
    """
    try:
        rows = np.loadtxt(path, delimiter=",", ndmin=2)
    except ValueError as error:
        raise UnusableData(f"{path}: {error}") from None
    if rows.size and rows.shape[1] < least:
        raise UnusableData(f"{path} has fewer than {least} columns")
    return rows.reshape(-1, rows.shape[1] if rows.size else least)


def _by_frame(rows: _Rows | None) -> Mapping[int, _Rows]:
    groups: dict[int, list[_Rows]] = defaultdict(list)
    for row in () if rows is None else rows:
        groups[int(row[0])].append(row)
    return {number: np.array(own) for number, own in groups.items()}


def _info(path: Path) -> tuple[tuple[int, int], float, int | None]:
    """Return frame size, frames per second and frame count; defaults without a file."""
    if not path.is_file():
        return _DEFAULT_SIZE_PX, _DEFAULT_RATE_HZ, None
    parser = configparser.ConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
        own = parser["Sequence"]
        size_px = int(own["imWidth"]), int(own["imHeight"])
        return size_px, float(own["frameRate"]), int(own["seqLength"])
    except (configparser.Error, KeyError, ValueError) as error:
        raise UnusableData(f"{path}: {error}") from None


def _floors(path: Path) -> Mapping[str, tuple[float, ...]]:
    """Return the homographies that a file gives, by camera."""
    if not path.is_file():
        return {}
    try:
        cameras = json.loads(path.read_text(encoding="utf-8"))["cameras"]
        return {
            name: homography_of(entry["homography_image_to_floor"])
            for name, entry in cameras.items()
            if "homography_image_to_floor" in entry
        }
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableData(f"{path}: {error!r}") from None
