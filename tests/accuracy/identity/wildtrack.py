"""WILDTRACK: seven cameras around a square, two annotated frames a second.

    annotations_positions/00000000.json   people with a cell of the floor and boxes
    calibrations/intrinsic_zero/intr_*.xml, calibrations/extrinsic/extr_*.xml

There are no detections in it: the annotated boxes stand for them, which measures
identity alone. The floor's cells are 2.5 cm wide, 480 in a row, from (-3, -9) metres.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.ids import CameraId
from tests.accuracy.identity.recording import Camera, Frame, Recording, Truth
from tests.accuracy.identity.unusable import UnusableData

ANNOTATIONS = "annotations_positions"
_INTRINSIC, _EXTRINSIC = "calibrations/intrinsic_zero", "calibrations/extrinsic"
_VIEWS = ("CVLab1", "CVLab2", "CVLab3", "CVLab4", "IDIAP1", "IDIAP2", "IDIAP3")
_SIZE_PX = (1920, 1080)
_RATE_HZ = 2.0
_CELLS, _CELL_M, _ORIGIN_M = 480, 0.025, (-3.0, -9.0)
_CM = 100.0
_START_NS = 1_700_000_000_000_000_000


def load(folder: Path) -> Recording:
    """Return the recording in a folder.

    Raises:
        UnusableData: A file is missing or wrong.
    """
    paths = sorted((folder / ANNOTATIONS).glob("*.json"))
    if not paths:
        raise UnusableData(f"{folder / ANNOTATIONS} holds no annotations")
    cameras = [
        Camera(
            CameraId(f"c{view + 1}"),
            f"C{view + 1}",
            _SIZE_PX,
            _homography(folder, name),
        )
        for view, name in enumerate(_VIEWS)
    ]
    people = [_people(path) for path in paths]
    return Recording(
        name=folder.resolve().name,
        cameras=cameras,
        frames={
            camera.camera_id: [
                _frame(int(path.stem), index, own, view)
                for index, (path, own) in enumerate(zip(paths, people, strict=True))
            ]
            for view, camera in enumerate(cameras)
        },
        rate_hz=_RATE_HZ,
        high_score=0.5,
        low_score=0.1,
    )


def _people(path: Path) -> Sequence[Mapping[str, Any]]:
    try:
        people = json.loads(path.read_text(encoding="utf-8"))
        for person in people:
            for name in ("personID", "positionID", "views"):
                person[name]
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableData(f"{path}: {error!r}") from None
    return list(people)


def _frame(
    number: int, index: int, people: Sequence[Mapping[str, Any]], view: int
) -> Frame:
    """Return what one camera sees of the people of a moment."""
    seen = [
        (person, box)
        for person in people
        for box in person["views"]
        if box["viewNum"] == view and box["xmax"] > 0 and box["ymax"] > 0
    ]
    corners = [[box[k] for k in ("xmin", "ymin", "xmax", "ymax")] for _, box in seen]
    boxes_px = np.array(corners, np.float64).reshape(-1, 4)
    shown_px = np.clip(boxes_px, 0, [*_SIZE_PX, *_SIZE_PX])
    usable = (shown_px[:, 2:] - shown_px[:, :2] > 1.0).all(axis=1)
    persons = np.array([person["personID"] for person, _ in seen], np.int64)
    cells = np.array([person["positionID"] for person, _ in seen], np.int64)
    return Frame(
        number=number,
        time_ns=_START_NS + round(1e9 * index / _RATE_HZ),
        boxes_px=shown_px[usable],
        scores=np.ones(int(usable.sum())),
        truth=Truth(persons[usable], shown_px[usable], position_m(cells)[usable]),
    )


def position_m(cells: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the centres of cells of the floor, metres. Shape (N, 2).

    >>> position_m(np.array([480 * 360 + 120])).tolist()
    [[0.0, 0.0]]
    """
    x, y = cells % _CELLS, cells // _CELLS
    return np.asarray(np.column_stack([x, y]) * _CELL_M + np.array(_ORIGIN_M))


def _homography(folder: Path, name: str) -> tuple[float, ...]:
    """Return how a camera's undistorted picture shows the floor, in metres."""
    intrinsic = _numbers(folder / _INTRINSIC / f"intr_{name}.xml", "camera_matrix/data")
    extrinsic = folder / _EXTRINSIC / f"extr_{name}.xml"
    rotation, _ = cv2.Rodrigues(np.array(_numbers(extrinsic, "rvec")))
    shift_m = np.array(_numbers(extrinsic, "tvec")) / _CM
    camera = np.array(intrinsic).reshape(3, 3)
    to_image = camera @ np.column_stack([rotation[:, :2], shift_m])
    to_floor = np.linalg.inv(to_image)
    return tuple((to_floor / to_floor[2, 2]).reshape(9).tolist())


def _numbers(path: Path, place: str) -> list[float]:
    """Return the numbers of an element of a file of OpenCV."""
    try:
        element = ET.parse(path).getroot().find(place)  # noqa: S314 - own data.
        if element is None or not element.text:
            raise UnusableData(f"{path} has no {place}")
        return [float(number) for number in element.text.split()]
    except (OSError, ET.ParseError, ValueError) as error:
        raise UnusableData(f"{path}: {error}") from None
