"""All scores of one run, and their means over several."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import cast

import numpy as np

from tests.accuracy.identity.arrivals import arrival_scores
from tests.accuracy.identity.floor_scores import floor_scores
from tests.accuracy.identity.matching import matches_of
from tests.accuracy.identity.pair_scores import pair_scores
from tests.accuracy.identity.predictions import final_of, first_of
from tests.accuracy.identity.published import Box, Published
from tests.accuracy.identity.recording import Recording
from tests.accuracy.identity.steps import SAME, Step, steps_of
from tests.accuracy.identity.tracking_scores import camera_scores, overall_scores

Figures = Mapping[str, "float | Figures"]
"""Numbers by name, nested."""

_S_NS = 1_000_000_000


def figures_of(recording: Recording, published: Published) -> Figures:
    """Return everything that is scored about a run.

    `first` and `final` hold the scores of identities, on boxes that a detection
    supports: as published at once, and after merges and splits. `coasted` is about
    the boxes that none supports, `floor` about positions, `run` about the run itself.
    """
    boxes = [box for box in published.boxes if box.global_id and not box.coasted]
    first, final = first_of(boxes), final_of(published)
    steps = steps_of(recording, first)
    found: dict[str, float | Figures] = {"run": run_figures(published)}
    if not recording.has_truth:
        return found
    found["first"] = _identity(steps)
    found["final"] = _identity(steps_of(recording, final))
    found["coasted"] = _coasted(recording, published)
    if recording.has_floor:
        matches = matches_of(steps)
        found["floor"] = floor_scores(recording, boxes, published.persons, matches)
    return found


def mean_figures(runs: Sequence[Figures]) -> Figures:
    """Return the mean of each number over the runs that have it."""
    values: dict[str, list[float | Figures]] = defaultdict(list)
    for run in runs:
        for name, value in run.items():
            values[name].append(value)
    return {
        name: mean_figures(cast("list[Figures]", own))
        if isinstance(own[0], Mapping)
        else mean(cast("list[float]", own))
        for name, own in values.items()
    }


def _identity(steps: Sequence[Step]) -> Figures:
    matches = matches_of(steps)
    return {
        **overall_scores(steps).figures(),
        "pairs": pair_scores(matches),
        "arrivals": arrival_scores(steps, matches),
        "cameras": {
            camera_id: scores.figures()
            for camera_id, scores in camera_scores(steps).items()
        },
    }


def _coasted(recording: Recording, published: Published) -> Figures:
    """Return how good the boxes are that no detection supports."""
    boxes = [box for box in published.boxes if box.coasted and box.global_id]
    steps = steps_of(recording, first_of(boxes))
    everything = steps_of(recording, final_of(published, coasted=True))
    hits = sum(_hits(step) for step in steps)
    count = sum(len(step.ids) for step in steps)
    return {
        "boxes": float(count),
        "longest_s": _longest_s(published.boxes),
        **({"precision": hits / count} if count else {}),
        "final_idf1_with_coasted": overall_scores(everything).idf1,
    }


def _hits(step: Step) -> int:
    """Return how many boxes show anybody."""
    if not step.similarity.size:
        return 0
    return int((step.similarity.max(axis=0) >= SAME).sum())


def _longest_s(boxes: Sequence[Box]) -> float:
    """Return the longest time from a track's last detection to a coasted box."""
    seen_ns: dict[tuple[str, int], int] = {}
    longest_ns = 0
    for box in boxes:
        key = box.camera_id, box.track_id
        if not box.coasted:
            seen_ns[key] = box.time_ns
        elif key in seen_ns:
            longest_ns = max(longest_ns, box.time_ns - seen_ns[key])
    return longest_ns / _S_NS


def run_figures(published: Published) -> Figures:
    """Return how the run itself went."""
    kinds = Counter(change.kind.value for change in published.changes)
    associate_ms = 1e3 * np.array(published.associate_s)
    detections = sum(not box.coasted for box in published.boxes)
    return {
        "frames": float(sum(published.frames.values())),
        "boxes": float(detections),
        "embeddings": float(published.embeddings),
        "wall_s": published.wall_s,
        **{
            f"associate_p{share}_ms": float(np.percentile(associate_ms, share))
            for share in ((50, 99) if len(associate_ms) else ())
        },
        "changes": {kind: float(count) for kind, count in sorted(kinds.items())},
    }
