"""Two other answers about the same detections: true ids, and a causal one.

The causal one knows the true tracklets of every camera, and nothing of the future. It
decides greedily, once for each tracklet, when that is half a second old: the nearest
person on the floor whom another camera sees and who looks no different, else whoever
left and looks most alike, else somebody new. It shares no code with the association.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.common.ids import CameraId
from tests.accuracy.identity.published import Box, Published
from tests.accuracy.identity.recording import Frame
from tests.accuracy.scenes.generator import Scene

Array = NDArray[np.float64]

_GAP_S = 1.0
_DECIDED_AFTER_S = 0.5
_NEAR_M = 1.2
_MEMORY = 0.9
_UNLIKE = 0.1
_FRESH_S = 0.35


def ceiling_of(scene: Scene) -> Published:
    """Return the detections of people with their true ids."""
    boxes = [
        _box(camera_id, number, frame, row, person + 1, person + 1)
        for number, camera_id, frame, people in _moments(scene)
        for row, person in enumerate(people.tolist())
        if person >= 0
    ]
    return _published(scene, boxes)


def causal_of(scene: Scene) -> Published:
    """Return the detections of people with the ids of the greedy reference."""
    greedy = _Greedy(scene)
    boxes: list[Box] = []
    for number, camera_id, frame, people in _moments(scene):
        boxes += greedy.take(number, camera_id, frame, people)
    return _published(scene, boxes)


@dataclass(slots=True)
class _Tracklet:
    number: int
    person: int
    camera_id: CameraId
    begun: int
    last: int
    place_m: Array
    look: Array
    decided: bool = False


@dataclass(slots=True)
class _Known:
    looks: list[Array] = field(default_factory=list)


class _Greedy:
    """Decides whose the tracklets are, one frame after the other."""

    def __init__(self, scene: Scene) -> None:
        self._rate_hz = scene.script.rate_hz
        self._model = scene.recording.vector_model
        self._floor = {
            one.camera_id: np.array(one.image_to_floor).reshape(3, 3)
            for one in scene.recording.cameras
        }
        self._live: dict[tuple[CameraId, int], _Tracklet] = {}
        self._known: dict[int, _Known] = {}
        self._tracklets = 0

    def take(
        self, number: int, camera_id: CameraId, frame: Frame, people: NDArray[np.int64]
    ) -> Iterator[Box]:
        """Yield the boxes of a frame."""
        assert frame.vectors is not None
        for row, person in enumerate(people.tolist()):
            if person < 0:
                continue
            track = self._followed(number, camera_id, person, frame, row)
            if not track.decided:
                track.person = self._decide(track, number)
                track.decided = (
                    number - track.begun
                ) >= _DECIDED_AFTER_S * self._rate_hz
            known = self._known.setdefault(track.person, _Known())
            known.looks = [*known.looks[-7:], track.look]
            yield _box(camera_id, number, frame, row, track.number, track.person)

    def _followed(
        self, number: int, camera_id: CameraId, person: int, frame: Frame, row: int
    ) -> _Tracklet:
        """Return the tracklet of a person in a camera after one more box."""
        assert frame.vectors is not None
        key = camera_id, person
        x_min, _, x_max, y_max = frame.boxes_px[row]
        spot = self._floor[camera_id] @ ((x_min + x_max) / 2, y_max, 1.0)
        place, look = spot[:2] / spot[2], frame.vectors[row].astype(np.float64)
        track = self._live.get(key)
        if track is None or number - track.last > _GAP_S * self._rate_hz:
            self._tracklets += 1
            track = _Tracklet(
                self._tracklets, 0, camera_id, number, number, place, look
            )
            self._live[key] = track
            return track
        track.last = number
        track.place_m = 0.6 * track.place_m + 0.4 * place
        track.look = _MEMORY * track.look + (1 - _MEMORY) * look
        return track

    def _decide(self, track: _Tracklet, number: int) -> int:
        """Return whose a young tracklet is."""
        assert self._model is not None
        recent = [
            one
            for one in self._live.values()
            if one is not track and number - one.last <= _FRESH_S * self._rate_hz
        ]
        here = {one.person for one in recent if one.camera_id == track.camera_id}
        there = [one for one in recent if one.camera_id != track.camera_id]
        near = sorted(
            (float(np.linalg.norm(one.place_m - track.place_m)), one.person)
            for one in there
            if one.person not in here and one.person
        )
        for distance_m, person in near:
            if distance_m > _NEAR_M:
                break
            if self._alike(person, track) >= _UNLIKE:
                return person
        seen = here | {one.person for one in there}
        absent = [
            (self._alike(person, track), -person)
            for person in self._known
            if person not in seen
        ]
        likeness, least = max(absent, default=(0.0, 0))
        if likeness >= self._model.match_similarity:
            return -least
        return track.person or len(self._known) + 1

    def _alike(self, person: int, track: _Tracklet) -> float:
        known = self._known.get(person)
        if known is None or not known.looks:
            return 0.0
        mean = np.mean(known.looks, axis=0)
        scale = float(np.linalg.norm(mean) * np.linalg.norm(track.look))
        return float(mean @ track.look) / max(scale, 1e-9)


def _moments(
    scene: Scene,
) -> Iterator[tuple[int, CameraId, Frame, NDArray[np.int64]]]:
    """Yield the frames of all cameras in the order of their numbers."""
    for number in range(scene.script.frames):
        for camera_id in sorted(scene.recording.frames):
            frame = scene.recording.frames[camera_id][number]
            yield number, camera_id, frame, scene.people[camera_id][number]


def _box(
    camera_id: CameraId, number: int, frame: Frame, row: int, track: int, person: int
) -> Box:
    return Box(
        camera_id=camera_id,
        frame=frame.number,
        frame_set=number + 1,
        time_ns=frame.time_ns,
        track_id=track,
        global_id=person,
        provisional=False,
        coasted=False,
        score=float(frame.scores[row]),
        corners_px=tuple(frame.boxes_px[row].tolist()),
        position_m=None,
    )


def _published(scene: Scene, boxes: list[Box]) -> Published:
    frames = {name: len(own) for name, own in scene.recording.frames.items()}
    return Published(boxes, (), (), frames, 0, (), 0.0)
