"""The annotated beginning of the demo's recording, as its three cameras show it."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np
from google.protobuf import json_format

from demo.plaza.clip import CLIP, CLIP_NAME
from demo.plaza.compose import DOCUMENT
from services.detector.domain.geometry import Boxes, area, clip
from services.detector.domain.tiles import RgbImage
from services.pipeline.adapters.pixels import FrameTransformer
from services.pipeline.mesh.cameras import transform_from_proto
from spoton.mapper.v1 import environment_pb2

FRAMES = 69
LEAST_VISIBLE = 0.5
"""A person of whom a camera shows less may be found or not."""

_ANNOTATIONS = Path("pets2009-view1/gt_frames_1_69.txt")


class NoData(Exception):
    """The annotations are not here; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedFrame:
    """A picture of one camera, and who is in it.

    Attributes:
        pixels: The picture.
        people: Boxes of people, shape (M, 4), pixels, cut by the picture's border.
        ignored: Boxes of people of whom too little is visible, shape (K, 4), pixels.
    """

    pixels: RgbImage
    people: Boxes
    ignored: Boxes


def annotated_frames() -> Sequence[AnnotatedFrame]:
    """Return every annotated frame of every camera.

    Raises:
        NoData: SPOTON_EVAL_DATA does not hold the annotations.
        MediaUnavailable: The recording cannot be had.
    """
    rows = annotations()
    cameras = json.loads(DOCUMENT.read_text(encoding="utf-8"))["cameras"]
    transforms = [
        transform_from_proto(
            json_format.ParseDict(camera["transform"], environment_pb2.FrameTransform())
        )
        for camera in cameras
    ]
    frames = []
    for index, decoded in enumerate(_decoded()):
        height, width = decoded.shape[:2]
        boxes = corners(rows[rows[:, 0] == index + 1, 2:6])
        for transform in transforms:
            to_frame = transform.decoded_to_frame(width, height)
            pixels = FrameTransformer(transform, width, height).apply(decoded)
            frames.append(_annotated(pixels, placed(boxes, to_frame)))
    return frames


def annotations() -> np.ndarray:
    """Return rows of frame, from 1, person, left, top, width, height, ..."""
    path = Path(os.environ.get("SPOTON_EVAL_DATA") or "absent") / _ANNOTATIONS
    if not path.is_file():
        raise NoData(f"SPOTON_EVAL_DATA does not hold {_ANNOTATIONS}")
    return np.loadtxt(path, delimiter=",")


def _decoded() -> Iterator[RgbImage]:
    """Yield the annotated frames of the recording, whole."""
    media = Path(os.environ.get("SPOTON_HOME") or ".spoton") / "media"
    CLIP.obtain(media, lambda _line: None)
    with av.open(str(media / CLIP_NAME)) as container:
        for frame in islice(container.decode(video=0), FRAMES):
            yield frame.to_ndarray(format="rgb24")


def corners(boxes: np.ndarray) -> np.ndarray:
    """Return boxes of left, top, width, height by their corners."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def placed(boxes: np.ndarray, to_frame: np.ndarray) -> Boxes:
    """Return boxes of the recording in pixels of a camera; no axis is turned."""
    scale, shift = np.diag(to_frame)[:2], to_frame[:2, 2]
    placed = boxes * np.tile(scale, 2) + np.tile(shift, 2)
    return np.asarray(placed, np.float32)


def _annotated(pixels: RgbImage, boxes: Boxes) -> AnnotatedFrame:
    """Return a picture with the people whom it shows."""
    height, width = pixels.shape[:2]
    seen = clip(boxes, np.array([0, 0, width, height], np.float32))
    visible = area(seen) / np.maximum(area(boxes), 1e-9)
    return AnnotatedFrame(
        pixels,
        seen[visible >= LEAST_VISIBLE],
        seen[(visible > 0) & (visible < LEAST_VISIBLE)],
    )
