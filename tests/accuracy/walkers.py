"""People who walk across a square, with exact truth and a detector that errs.

They walk on a floor before a camera that looks down on it, so that near ones are large
and cover far ones. The detector misses the more of somebody the more is covered, is
less sure then, misplaces boxes, and sometimes sees somebody where nobody is. A vector
is its person's look, mixed with that of whoever covers them, and noise.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.tracker.domain.boxes import covered_share
from services.tracker.domain.frame import Detections
from tests.accuracy.track_scores import iou
from tests.accuracy.tracked_scene import TruthFrame, TruthScene

_SIZE_PX = (1920, 1080)
_START_NS = 1_700_000_000_000_000_000
_FLOOR_M = np.array([16.0, 12.0])
_NEAREST_M = 8.0
_FOCAL_PX = 1100.0
_CAMERA_HEIGHT_M = 5.0
_HORIZON_PX = 150.0
_PERSON_M = (0.55, 1.72)
_WALK_M_PER_S = (0.6, 1.6)
_HIDDEN = 0.8
"""Share from which a covered person is neither found nor expected."""
_NOISE = 0.025
_CLUTTER_PER_FRAME = 0.3
_DIMENSIONS = 64
_LOOK_NOISE = 0.6


@dataclass(frozen=True, slots=True)
class Walkers:
    """A scene.

    Attributes:
        seed: Of everything that is random.
        people: How many there are.
        seconds: How long it takes.
        rate_hz: Frames per second.
    """

    seed: int
    people: int = 20
    seconds: float = 30.0
    rate_hz: float = 15.0

    def scene(self, *, with_looks: bool) -> TruthScene:
        """Return the scene; the same one with and without looks."""
        frames = list(self._frames(with_looks=with_looks))
        return TruthScene(_SIZE_PX, 0.5, 0.1, frames)

    def _frames(self, *, with_looks: bool) -> Iterator[TruthFrame]:
        random = np.random.default_rng(self.seed)
        looks = _unit(random.standard_normal((self.people, _DIMENSIONS)))
        here_m = random.uniform(0, _FLOOR_M, (self.people, 2))
        goals_m = random.uniform(0, _FLOOR_M, (self.people, 2))
        speeds = random.uniform(*_WALK_M_PER_S, self.people)
        for index in range(int(self.seconds * self.rate_hz)):
            here_m = _stepped(random, here_m, goals_m, speeds / self.rate_hz)
            boxes_px = _boxes(here_m)
            time_ns = _START_NS + round(1e9 * index / self.rate_hz)
            yield _seen(random, boxes_px, looks, time_ns, with_looks=with_looks)


def _stepped(
    random: np.random.Generator,
    here_m: NDArray[np.float64],
    goals_m: NDArray[np.float64],
    steps_m: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return where everybody is a frame later; whoever arrives gets a new goal."""
    way_m = goals_m - here_m
    length_m = np.linalg.norm(way_m, axis=1)
    arrived = length_m < 2 * steps_m
    goals_m[arrived] = random.uniform(0, _FLOOR_M, (int(arrived.sum()), 2))
    return np.asarray(
        here_m + way_m / np.maximum(length_m, 0.1)[:, None] * steps_m[:, None]
    )


def _boxes(here_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners at which the camera sees people. Shape (N, 4)."""
    scale = _FOCAL_PX / (_NEAREST_M + here_m[:, 1])
    x = _SIZE_PX[0] / 2 + scale * (here_m[:, 0] - _FLOOR_M[0] / 2)
    foot = _HORIZON_PX + scale * _CAMERA_HEIGHT_M
    width, height = scale * _PERSON_M[0], scale * _PERSON_M[1]
    return np.stack((x - width / 2, foot - height, x + width / 2, foot), axis=1)


def _seen(
    random: np.random.Generator,
    boxes_px: NDArray[np.float64],
    looks: NDArray[np.float64],
    time_ns: int,
    *,
    with_looks: bool,
) -> TruthFrame:
    """Return a frame."""
    count = len(boxes_px)
    covered = covered_share(boxes_px, boxes_px)
    found = random.random(count) > 0.03 + 0.9 * np.maximum(covered - 0.3, 0.0)
    found &= covered < _HIDDEN
    sure = np.clip(0.9 - 0.6 * covered + 0.08 * random.standard_normal(count), 0.1, 1.0)
    heights_px = (boxes_px[:, 3] - boxes_px[:, 1])[:, None]
    shaken_px = boxes_px + _NOISE * heights_px * random.standard_normal((count, 4))
    # A vector shows its person, and the one in front as far as that one covers it.
    overlaps = iou(boxes_px, boxes_px) * (boxes_px[:, 3] > boxes_px[:, 3][:, None])
    front = looks[overlaps.argmax(axis=1)]
    noise = random.standard_normal(looks.shape) * _LOOK_NOISE / np.sqrt(_DIMENSIONS)
    mixed = _unit((1 - covered)[:, None] * looks + covered[:, None] * front + noise)

    ghosts = random.poisson(_CLUTTER_PER_FRAME)
    ghosts_px = _boxes(random.uniform(0, _FLOOR_M, (ghosts, 2)))
    ghost_looks = _unit(random.standard_normal((ghosts, _DIMENSIONS)))
    all_px = np.concatenate((shaken_px[found], ghosts_px))
    all_looks = np.concatenate((mixed[found], ghost_looks)).astype(np.float32)
    detections = Detections(
        time_ns=time_ns,
        boxes_px=all_px,
        scores=np.concatenate((sure[found], random.uniform(0.2, 0.7, ghosts))),
        ankles_px=np.zeros((len(all_px), 2, 3)),
    )
    there = covered < _HIDDEN
    return TruthFrame(
        detections=detections,
        looks=all_looks if with_looks else None,
        people=there.nonzero()[0],
        people_px=boxes_px[there],
    )


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return vectors of length one in the same directions."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
