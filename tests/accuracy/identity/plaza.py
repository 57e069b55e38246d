"""The demo's plaza: its annotated beginning, with the floor and without."""

import json
from pathlib import Path

import numpy as np
from google.protobuf import json_format

from demo.plaza import PLAZA
from demo.plaza.clip import CLIP, CLIP_NAME
from demo.plaza.compose import DOCUMENT
from services.common.ids import CameraId
from services.detector.domain.geometry import area, clip
from services.pipeline.adapters.pixels import FrameTransformer
from services.pipeline.domain.masks import outside_masks
from services.pipeline.mesh.cameras import transform_from_proto
from spoton.mapper.v1 import environment_pb2
from tests.accuracy.identity.evidence import Mode
from tests.accuracy.identity.figures import Figures, figures_of
from tests.accuracy.identity.recording import Camera, Frame, Recording, Truth
from tests.accuracy.identity.video import cut, import_demo, run_session, running_mesh
from tests.accuracy.pets import FRAMES, LEAST_VISIBLE, annotations, corners, placed

_SIZE_PX = (768, 576)
_RATE_HZ = 10.0


async def measure(media: Path, home: Path) -> dict[str, Figures]:
    """Return the figures of `both` and of `appearance`.

    Args:
        media: Folder that keeps the demo's recordings.
        home: Folder for stores, logs and the beginning of the clip.

    Raises:
        NoData: SPOTON_EVAL_DATA does not hold the annotations.
        MediaUnavailable: The recording cannot be had.
    """
    recording = annotated()
    CLIP.obtain(media, lambda _line: None)
    cut(media / CLIP_NAME, home / "media" / CLIP_NAME, FRAMES)
    async with running_mesh(home, home / "media") as mesh:
        await import_demo(mesh, PLAZA, home / "media")
        return {
            mode: figures_of(
                recording, await run_session(mesh, PLAZA.environment_id, mode)
            )
            for mode in (Mode.BOTH, Mode.APPEARANCE)
        }


def annotated() -> Recording:
    """Return who is where in the cameras; detections are left to the detector.

    People of whom little is visible, and those in masks, do not count.
    """
    rows = annotations()
    cameras, frames = [], {}
    for entry in json.loads(DOCUMENT.read_text(encoding="utf-8"))["cameras"]:
        transform = transform_from_proto(
            json_format.ParseDict(entry["transform"], environment_pb2.FrameTransform())
        )
        size_px = FrameTransformer(transform, *_SIZE_PX).size_px
        masks = [
            np.array([(one["x"], one["y"]) for one in mask["corners"]])
            for mask in entry["ignore_masks"]
        ]
        camera = Camera(
            CameraId(entry["camera_id"]),
            entry["camera_id"],
            size_px,
            tuple(entry["calibration"]["image_to_floor"]),
        )
        to_frame = transform.decoded_to_frame(*_SIZE_PX)
        cameras.append(camera)
        frames[camera.camera_id] = [
            _frame(index, rows[rows[:, 0] == index + 1], to_frame, size_px, masks)
            for index in range(FRAMES)
        ]
    return Recording(PLAZA.environment_id, cameras, frames, _RATE_HZ, 0.5, 0.1)


def _frame(
    index: int,
    rows: np.ndarray,
    to_frame: np.ndarray,
    size_px: tuple[int, int],
    masks: list[np.ndarray],
) -> Frame:
    whole_px = placed(corners(rows[:, 2:6]), to_frame)
    border = np.array([0, 0, *size_px], np.float32)
    shown_px = clip(whole_px, border)
    share = area(shown_px) / np.maximum(area(whole_px), 1e-9)
    feet_px = np.column_stack([(whole_px[:, 0] + whole_px[:, 2]) / 2, whole_px[:, 3]])
    outside = outside_masks(feet_px, masks) if masks else np.ones(len(rows), np.bool_)
    there = share > 0
    truth = Truth(
        persons=rows[there, 1].astype(np.int64),
        boxes_px=shown_px[there].astype(np.float64),
        counts=((share >= LEAST_VISIBLE) & outside)[there],
    )
    nothing = np.empty((0, 4))
    return Frame(
        index, round(1e9 * index / _RATE_HZ), nothing, np.empty(0), None, truth
    )
