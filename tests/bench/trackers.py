"""The native tracker against BoxMOT's on the same detections.

Each gets arrays that are ready in its own form of input: what turns a message into
them is left out on both sides. Against BoT-SORT both get the same vectors for the same
detections; the native tracker takes those that it asks for. Runs alternate within one
process with one thread of torch.
"""

import importlib
import logging
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.common.ids import ModelId
from services.tracker.adapters.boxmot_library import HOW_TO_INSTALL, is_installed
from services.tracker.domain.appearance import NO_VECTORS, Vectors
from services.tracker.domain.native import NativeTracker
from tests.accuracy.tracked_scene import TruthScene
from tests.accuracy.walkers import Walkers

LEAST_SPEEDUP = 5.0
LEFT_OUT = f"boxmot is not installed ({HOW_TO_INSTALL}): trackers were not compared"
_PEOPLE = (20, 100)
_SECONDS = 8.0
_WARM_UP = 20
_PAIRS = 5
_MODEL = ModelId("given")


@dataclass(frozen=True, slots=True)
class TrackerSpeed:
    """Median CPU milliseconds of a frame, native against another.

    Attributes:
        rival: The other tracker.
        people: People in the scene.
        native_ms: Of the native tracker, median of all runs.
        rival_ms: Of the other one.
        ratios: Other one's ÷ native's in each pair of runs.
    """

    rival: str
    people: int
    native_ms: float
    rival_ms: float
    ratios: tuple[float, ...]

    @property
    def name(self) -> str:
        """Key of the ratio."""
        return f"speedup_{self.rival}_{self.people}"

    @property
    def speedup(self) -> float:
        """How many times as fast the native tracker is."""
        return statistics.median(self.ratios)


def compare_trackers() -> list[TrackerSpeed] | None:
    """Return how fast the trackers are, None where BoxMOT is not installed."""
    if not is_installed():
        return None
    torch = importlib.import_module("torch")
    logging.getLogger("boxmot").setLevel(logging.WARNING)
    torch.set_num_threads(1)
    return [
        _compared(rival, people)
        for rival in ("bytetrack", "botsort")
        for people in _PEOPLE
    ]


def _compared(rival: str, people: int) -> TrackerSpeed:
    """Return how fast two trackers are on one scene."""
    walkers = Walkers(seed=people, people=people, seconds=_SECONDS)
    scene = walkers.scene(with_looks=rival == "botsort")
    other = _boxmot_run(rival, scene)
    pairs = [(_native_run(scene), other()) for _ in range(_PAIRS)]
    native_ms, rival_ms = zip(*pairs, strict=True)
    return TrackerSpeed(
        rival,
        people,
        statistics.median(native_ms),
        statistics.median(rival_ms),
        tuple(theirs / ours for ours, theirs in pairs),
    )


def _native_run(scene: TruthScene) -> float:
    """Return the median milliseconds of a frame of the native tracker."""
    tracker = NativeTracker(scene.settings())

    def step(index: int) -> None:
        each = scene.frames[index]
        proposal = tracker.propose(each.detections)
        vectors, wanted = NO_VECTORS, proposal.wanted
        if each.looks is not None and len(wanted):
            vectors = Vectors(wanted, each.looks[wanted], _MODEL)
        proposal.settle(vectors)

    return _median_ms(step, len(scene.frames))


def _boxmot_run(rival: str, scene: TruthScene) -> Callable[[], float]:
    """Return what runs a tracker of BoxMOT, with its inputs ready."""
    boxmot = importlib.import_module("boxmot")
    inputs = _boxmot_inputs(scene)

    def build() -> Any:
        if rival == "bytetrack":
            return boxmot.ByteTrack(track_thresh=scene.high_score)
        return boxmot.BotSort(
            track_high_thresh=scene.high_score,
            new_track_thresh=scene.high_score,
            use_cmc=False,
        )

    def run() -> float:
        tracker = build()
        return _median_ms(lambda index: tracker.update(inputs[index]), len(inputs))

    return run


def _boxmot_inputs(scene: TruthScene) -> Sequence[Any]:
    """Return the frames as BoxMOT takes them."""
    torch = importlib.import_module("torch")
    structures = importlib.import_module("boxmot.structures")
    return [
        structures.Detections(
            structures.Boxes(
                torch.from_numpy(each.detections.boxes_px.astype(np.float32))
            ),
            torch.from_numpy(each.detections.scores.astype(np.float32)),
            torch.zeros(len(each.detections), dtype=torch.int64),
            "frame",
            embeddings=None if each.looks is None else torch.from_numpy(each.looks),
        )
        for each in scene.frames
    ]


def _median_ms(step: Callable[[int], Any], frames: int) -> float:
    """Return the median CPU milliseconds of a step, the first ones left out."""
    times_s = []
    for index in range(frames):
        begin_s = time.thread_time()
        step(index)
        times_s.append(time.thread_time() - begin_s)
    return 1e3 * statistics.median(times_s[_WARM_UP:])
