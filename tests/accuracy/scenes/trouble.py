"""Scenes in which something is wrong with a camera, or with what it looks at.

Each takes a scene and returns the same one in trouble; the truth stays the truth. A
clock that is wrong is part of a script.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from services.common.ids import CameraId
from tests.accuracy.identity.recording import Frame
from tests.accuracy.scenes.generator import Scene
from tests.accuracy.scenes.looks import DIMENSIONS
from tests.accuracy.scenes.rig import SIZE_PX, floor_error, rig
from tests.accuracy.scenes.seeing import view_of

Array = NDArray[np.float64]
_Found = tuple[Frame, NDArray[np.int64]]
"""A frame, and whom each of its detections shows."""

_MIRROR_M = (3.0, 9.0)
"""Where along the wall x = 0 a mirror begins and ends."""

_HEIGHT_M = 1.72


def frozen(scene: Scene, camera_id: CameraId, from_s: float) -> Scene:
    """Let a camera deliver one picture for ever, with times that go on."""
    first = round(from_s * scene.script.rate_hz)
    return _changed(scene, camera_id, lambda number, found: found[min(number, first)])


def stuttering(scene: Scene, camera_id: CameraId) -> Scene:
    """Let a camera deliver every picture twice, and leave out every second one."""
    return _changed(scene, camera_id, lambda number, found: found[number & ~1])


def misplaced(scene: Scene, camera_id: CameraId, error_m: float) -> Scene:
    """Give a camera a calibration that is off, root mean square over the hall."""
    moved = floor_error(error_m, np.random.default_rng(scene.script.seed))
    cameras = [
        one.calibrated(moved).image_to_floor
        for one in rig(scene.script.cameras)
        if one.camera_id == camera_id
    ]
    recording = replace(
        scene.recording,
        cameras=[
            replace(one, image_to_floor=cameras[0])
            if one.camera_id == camera_id
            else one
            for one in scene.recording.cameras
        ],
    )
    return replace(scene, recording=recording)


def all_alike(scene: Scene) -> Scene:
    """Let the embedder answer the same vector for everyone."""
    look = np.full(DIMENSIONS, DIMENSIONS**-0.5, np.float32)
    for camera_id in scene.recording.frames:
        scene = _changed(
            scene,
            camera_id,
            lambda number, found: (
                replace(
                    found[number][0], vectors=np.tile(look, (len(found[number][1]), 1))
                ),
                found[number][1],
            ),
        )
    return scene


def with_poster(scene: Scene, camera_id: CameraId) -> Scene:
    """Hang the picture of a person where a camera takes it for one."""
    rng = np.random.default_rng((scene.script.seed, 7))
    width, height = SIZE_PX
    box = np.array([0.08 * width, 0.35 * height, 0.13 * width, 0.6 * height])
    look = rng.normal(size=DIMENSIONS)
    look /= np.linalg.norm(look)

    def hung(number: int, found: Sequence[_Found]) -> _Found:
        vector = look + 0.3 * rng.normal(size=DIMENSIONS) / DIMENSIONS**0.5
        shaken = box + rng.normal(scale=0.5, size=4)
        return _added(found[number], shaken[None], vector[None])

    return _changed(scene, camera_id, hung)


def with_mirror(scene: Scene, camera_id: CameraId) -> Scene:
    """Put a mirror on the wall x = 0, in which a camera sees people twice."""
    rng = np.random.default_rng((scene.script.seed, 8))
    camera = next(
        one for one in rig(scene.script.cameras) if one.camera_id == camera_id
    )
    heights = np.full(scene.script.people, _HEIGHT_M)

    def mirrored(number: int, found: Sequence[_Found]) -> _Found:
        frame, people = found[number]
        assert frame.vectors is not None
        feet = scene.paths_m[number] * (-1.0, 1.0)
        feet[(feet[:, 1] < _MIRROR_M[0]) | (feet[:, 1] > _MIRROR_M[1])] = np.nan
        view = view_of(camera, feet, heights, np.empty((0, 4)), np.empty(0))
        rows = [
            (place, int(np.flatnonzero(people == person)[0]))
            for place, person in enumerate(view.people.tolist())
            if (people == person).any()
        ]
        images = [view.boxes_px[place] for place, _ in rows]
        looks = [
            frame.vectors[row] + 0.3 * rng.normal(size=DIMENSIONS) / DIMENSIONS**0.5
            for _, row in rows
        ]
        boxes = np.array(images).reshape(-1, 4)
        return _added(found[number], boxes, np.array(looks).reshape(-1, DIMENSIONS))

    return _changed(scene, camera_id, mirrored)


def _added(found: _Found, boxes_px: Array, vectors: Array) -> _Found:
    """Return a frame with more detections, which show nobody."""
    frame, people = found
    assert frame.vectors is not None
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return (
        replace(
            frame,
            boxes_px=np.concatenate((frame.boxes_px, boxes_px)),
            scores=np.concatenate((frame.scores, np.full(len(boxes_px), 0.8))),
            vectors=np.concatenate((frame.vectors, vectors)).astype(np.float32),
        ),
        np.concatenate((people, np.full(len(boxes_px), -1))),
    )


def _changed(
    scene: Scene,
    camera_id: CameraId,
    change: Callable[[int, Sequence[_Found]], _Found],
) -> Scene:
    """Return a scene in which one camera's detector found something else."""
    frames = scene.recording.frames[camera_id]
    found = list(zip(frames, scene.people[camera_id], strict=True))
    after = [change(number, found) for number in range(len(found))]
    new = [
        replace(own, boxes_px=one.boxes_px, scores=one.scores, vectors=one.vectors)
        for own, (one, _) in zip(frames, after, strict=True)
    ]
    recording = replace(
        scene.recording, frames={**scene.recording.frames, camera_id: new}
    )
    people = {**scene.people, camera_id: [who for _, who in after]}
    return replace(scene, recording=recording, people=people)
