"""Make the recording of a scene, with the truth about every box."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.common.ids import CameraId
from tests.accuracy.identity.recording import Frame, Recording, Truth
from tests.accuracy.scenes.detecting import HIGH_SCORE, LOW_SCORE, Detected, Detector
from tests.accuracy.scenes.looks import MODEL, Looks, looks_of
from tests.accuracy.scenes.rig import RigCamera, floor_error, rig
from tests.accuracy.scenes.script import Script
from tests.accuracy.scenes.seeing import COUNTS_FROM, View, cylinders_px, view_of
from tests.accuracy.scenes.walking import PILLAR_RADIUS_M, paths_m, pillars_m

Array = NDArray[np.float64]

START_NS = 1_700_000_000_000_000_000
_PILLAR_HEIGHT_M = 3.5


@dataclass(frozen=True, slots=True)
class Scene:
    """A recording of which everything is known.

    Attributes:
        script: What it was made from.
        recording: What the cameras saw.
        people: Whom each detection shows, -1 for nobody, by camera and frame; in the
            order of the detections.
        paths_m: Where everybody stood. Shape (frames, people, 2), NaN while away.
    """

    script: Script
    recording: Recording
    people: Mapping[CameraId, Sequence[NDArray[np.int64]]]
    paths_m: Array


def scene_of(script: Script) -> Scene:
    """Return the scene of a script; equal scripts give equal scenes."""
    paths = paths_m(script)
    heights = np.random.default_rng((script.seed, 4)).normal(1.72, 0.08, script.people)
    cameras = rig(script.cameras)
    looks = looks_of(script, [one.camera_id for one in cameras])
    errors = np.random.default_rng((script.seed, 5))
    frames: dict[CameraId, list[Frame]] = {}
    people: dict[CameraId, list[NDArray[np.int64]]] = {}
    for index, camera in enumerate(cameras):
        skew_s = script.clock_skew_s if index == 0 else 0.0
        seen = _seen(script, index, camera, looks, paths, heights, skew_s)
        frames[camera.camera_id] = [frame for frame, _ in seen]
        people[camera.camera_id] = [detected.people for _, detected in seen]
    recording = Recording(
        name="scene",
        cameras=[
            one.calibrated(floor_error(script.miscalibration_m, errors))
            for one in cameras
        ],
        frames=frames,
        rate_hz=script.rate_hz,
        high_score=HIGH_SCORE,
        low_score=LOW_SCORE,
        vector_model=MODEL,
    )
    return Scene(script, recording, people, paths)


def _seen(
    script: Script,
    index: int,
    camera: RigCamera,
    looks: Looks,
    paths: Array,
    heights: Array,
    skew_s: float,
) -> list[tuple[Frame, Detected]]:
    """Return the frames of one camera, with what its detector made of them."""
    rng = np.random.default_rng((script.seed, 6, index))
    detector = Detector(script.noise, script.people, rng)
    posts = pillars_m(script)
    tall = np.full(len(posts), _PILLAR_HEIGHT_M)
    pillars_px, depths = cylinders_px(camera, posts, tall, (PILLAR_RADIUS_M,) * 2)
    depths = np.where(np.isnan(pillars_px).any(axis=1), np.inf, depths)
    found = []
    for number, feet in enumerate(paths):
        view = view_of(camera, feet, heights, pillars_px, depths)
        detected = detector.look(view)
        frame = Frame(
            number=number,
            time_ns=START_NS + round(1e9 * (number / script.rate_hz + skew_s)),
            boxes_px=detected.boxes_px,
            scores=detected.scores,
            vectors=looks.of(camera.camera_id, detected.shares, rng),
            truth=_truth(view, feet),
        )
        found.append((frame, detected))
    return found


def _truth(view: View, feet: Array) -> Truth:
    return Truth(
        persons=view.people + 1,
        boxes_px=view.boxes_px,
        positions_m=feet[view.people],
        counts=view.visible >= COUNTS_FROM,
    )
