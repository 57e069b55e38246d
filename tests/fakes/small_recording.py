"""Recordings small enough to know every score of by heart."""

from collections.abc import Mapping, Sequence

import numpy as np

from services.common.ids import CameraId, ModelId
from tests.accuracy.identity.published import Box, Change, Person, Published
from tests.accuracy.identity.recording import (
    Camera,
    Frame,
    Recording,
    Truth,
    VectorModel,
)

NORTH, SOUTH = CameraId("north"), CameraId("south")
RATE_HZ = 10.0
CENTIMETRES = (0.01, 0.0, 0.0, 0.0, 0.01, 0.0, 0.0, 0.0, 1.0)
"""A floor on which a hundred pixels are a metre."""


def corners(place: int) -> tuple[float, float, float, float]:
    """Return a box of 40 x 100 pixels; places do not overlap."""
    return 50.0 * place, 100.0, 50.0 * place + 40.0, 200.0


def time_ns(frame: int) -> int:
    """Return when a frame is taken."""
    return round(1e9 * frame / RATE_HZ)


def recording_of(
    truth: Mapping[CameraId, Mapping[int, Mapping[int, int]]],
    frames: int,
    least_height_px: float = 0.0,
) -> Recording:
    """Return a recording from the place of each person, by camera and frame."""
    return Recording(
        name="small",
        cameras=[Camera(name, name, (1000, 400), CENTIMETRES) for name in truth],
        frames={
            name: [_frame(number, own.get(number, {})) for number in range(frames)]
            for name, own in truth.items()
        },
        rate_hz=RATE_HZ,
        high_score=0.5,
        low_score=0.1,
        least_height_px=least_height_px,
    )


def _frame(number: int, people: Mapping[int, int]) -> Frame:
    boxes = np.array([corners(place) for place in people.values()]).reshape(-1, 4)
    persons = np.array(list(people), np.int64)
    return Frame(
        number,
        time_ns(number),
        boxes,
        np.ones(len(boxes)),
        truth=Truth(persons, boxes),
    )


def box(
    camera_id: CameraId,
    frame: int,
    global_id: int,
    place: int,
    *,
    track_id: int | None = None,
    coasted: bool = False,
    position_m: tuple[float, float] | None = None,
) -> Box:
    """Return a published box; a track has the number of its person unless told."""
    return Box(
        camera_id=camera_id,
        frame=frame,
        frame_set=frame + 1,
        time_ns=time_ns(frame),
        track_id=global_id if track_id is None else track_id,
        global_id=global_id,
        provisional=False,
        coasted=coasted,
        score=0.0 if coasted else 0.9,
        corners_px=corners(place),
        position_m=position_m,
    )


def published_of(
    boxes: Sequence[Box],
    changes: Sequence[Change] = (),
    persons: Sequence[Person] = (),
) -> Published:
    """Return what a session published."""
    return Published(boxes, persons, changes, {}, 0, (), 0.0)


def walkers(seconds: float = 6.0) -> Recording:
    """Return four people who cross in view of two cameras, with vectors.

    Detections are shaken and some are missing, so that ids depend on every number.
    """
    rng = np.random.default_rng(7)
    looks = rng.normal(size=(4, 16))
    frames = round(seconds * RATE_HZ)
    return Recording(
        name="walkers",
        cameras=[
            Camera(name, name, (1000, 800), CENTIMETRES) for name in (NORTH, SOUTH)
        ],
        frames={
            name: [_walking(number, looks, rng) for number in range(frames)]
            for name in (NORTH, SOUTH)
        },
        rate_hz=RATE_HZ,
        high_score=0.5,
        low_score=0.1,
        vector_model=VectorModel(ModelId("made-up"), 16, 0.5),
    )


def _walking(number: int, looks: np.ndarray, rng: np.random.Generator) -> Frame:
    """Return a frame: two people walk to the right, two to the left."""
    way_px = 12.0 * number
    left_px = np.array([50.0 + way_px, 150.0 + way_px, 850.0 - way_px, 700.0 - way_px])
    top_px = np.array([300.0, 320.0, 310.0, 330.0])
    boxes = np.column_stack([left_px, top_px, left_px + 60, top_px + 150])
    boxes += rng.normal(scale=2.0, size=boxes.shape)
    seen = rng.random(4) < 0.9
    vectors = looks + 0.3 * rng.normal(size=looks.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Frame(
        number,
        1_700_000_000_000_000_000 + time_ns(number),
        boxes[seen],
        rng.uniform(0.5, 1.0, 4)[seen],
        vectors[seen].astype(np.float32),
        Truth(np.arange(4), boxes),
    )
