"""Measure how well each tracker follows people, and how long it takes."""

import importlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, pstdev

from services.tracker.adapters.boxmot_kinds import KINDS
from services.tracker.adapters.boxmot_library import HOW_TO_INSTALL, is_installed
from services.tracker.adapters.boxmot_tracker import BoxmotTracker
from services.tracker.domain.native import NATIVE, NativeTracker
from services.tracker.domain.tracker import Tracker, TrackerSettings
from tests.accuracy.campus import FOLDER, SEEDS, campus_scenes
from tests.accuracy.table import Cell, Table
from tests.accuracy.tracked_scene import Followed, follow
from tests.accuracy.walkers import Walkers

_WALKERS_SEEDS = (0, 1, 2, 3)
_A_SCENE = Walkers(seed=0)
COLUMNS = (
    "tracker",
    "vectors",
    "real HOTA",
    "real IDF1",
    "synthetic HOTA",
    "± over seeds",
    "synthetic IDF1",
    "ms a frame",
)
_NOTES = (
    "real: the first half of CAMPUS-Auditorium, mean of its four cameras.",
    "Its detections are real, its vectors simulated, with three seeds.",
    (
        f"synthetic: {_A_SCENE.people} people walk through each other, "
        f"{_A_SCENE.seconds:g} s at {_A_SCENE.rate_hz:g} Hz, with "
        f"{len(_WALKERS_SEEDS)} seeds."
    ),
    "Only confirmed tracks with a detection count: nothing coasted, nothing filled in.",
    "ms a frame: median CPU time on the synthetic scenes, as the service runs it.",
)


@dataclass(frozen=True, slots=True)
class _Task:
    """One tracker on one set of scenes.

    Attributes:
        tracker: Its name.
        looks: Whether it gets vectors.
        folder: Of the recorded scenes; None for a synthetic one.
        seed: Of the simulated vectors, or of the synthetic scene.
    """

    tracker: str
    looks: bool
    folder: Path | None
    seed: int


def measure() -> Table:
    """Measure the native tracker, and those of BoxMOT where it is installed."""
    notes = list(_NOTES)
    if not is_installed():
        notes.append(f"boxmot:* not run: the package is missing ({HOW_TO_INSTALL}).")
    folder = _recorded()
    if folder is None:
        notes.append(f"real not run: SPOTON_EVAL_DATA names no folder with {FOLDER}.")
    arms = list(_arms())
    tasks = [task for arm in arms for task in _tasks(*arm, folder)]
    results: dict[tuple[str, bool, bool], list[list[Followed]]] = defaultdict(list)
    with ProcessPoolExecutor() as pool:
        for task, followed in zip(tasks, pool.map(_run, tasks), strict=True):
            results[task.tracker, task.looks, task.folder is None].append(followed)
    rows = [
        _row(
            *arm,
            real=results[*arm, False],
            synthetic=[run for (run,) in results[*arm, True]],
        )
        for arm in arms
    ]
    return Table("trackers", "Trackers", COLUMNS, rows, notes)


def _recorded() -> Path | None:
    """Return the folder of the recorded scenes, None where there is none."""
    folder = os.environ.get("SPOTON_EVAL_DATA", "")
    return Path(folder) if folder and (Path(folder) / FOLDER).is_dir() else None


def _arms() -> Iterator[tuple[str, bool]]:
    """Yield each tracker without and with vectors, as far as it can be either."""
    yield from ((NATIVE, False), (NATIVE, True))
    for name, kind in KINDS.items() if is_installed() else ():
        if not kind.needs_appearance:
            yield name, False
        if kind.appearance:
            yield name, True


def _tasks(tracker: str, looks: bool, folder: Path | None) -> Iterator[_Task]:  # noqa: FBT001 - the two halves of an arm.
    """Yield what is to be run for one row."""
    for seed in _WALKERS_SEEDS:
        yield _Task(tracker, looks, None, seed)
    if folder is not None:
        for seed in SEEDS if looks else SEEDS[:1]:
            yield _Task(tracker, looks, folder, seed)


def _run(task: _Task) -> list[Followed]:
    """Return how a tracker did, for each scene."""
    build = _builder(task.tracker)
    if task.folder is None:
        scenes = [Walkers(task.seed).scene(with_looks=task.looks)]
    else:
        seed = task.seed if task.looks else None
        scenes = list(campus_scenes(task.folder, seed).values())
    return [follow(build, scene) for scene in scenes]


def _builder(name: str) -> Callable[[TrackerSettings], Tracker]:
    """Return what builds a tracker; torch gets one thread."""
    if name == NATIVE:
        return NativeTracker
    importlib.import_module("torch").set_num_threads(1)
    return partial(BoxmotTracker, KINDS[name])


def _row(
    tracker: str,
    looks: bool,  # noqa: FBT001 - the two halves of an arm.
    *,
    real: Sequence[Sequence[Followed]],
    synthetic: Sequence[Followed],
) -> Sequence[Cell]:
    """Return the cells of a tracker."""
    cameras = [followed.scores for run in real for followed in run]
    made = [followed.scores for followed in synthetic]
    return (
        tracker,
        "yes" if looks else "no",
        mean(each.hota for each in cameras) if cameras else "",
        mean(each.idf1 for each in cameras) if cameras else "",
        mean(each.hota for each in made),
        pstdev(each.hota for each in made),
        mean(each.idf1 for each in made),
        mean(followed.median_ms for followed in synthetic),
    )
