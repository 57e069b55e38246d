"""HOTA, IDF1 and MOTA, by TrackEval.

Over all cameras, each frame of each camera is a step of one long sequence and ids are
global; MOTA and its switches are summed over cameras, each a sequence of its own.
"""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.accuracy.identity.steps import Step

with contextlib.redirect_stdout(io.StringIO()):
    # It prints what it cannot import, which are data sets that are not used here.
    from trackeval.metrics import CLEAR, HOTA, Identity

_QUIET = {"PRINT_CONFIG": False}


@dataclass(frozen=True, slots=True)
class TrackingScores:
    """How well boxes and ids match the truth.

    Attributes:
        hota: Higher order tracking accuracy, in [0, 1].
        deta: Its detection part.
        assa: Its association part.
        idf1: F1 of boxes whose id is the one that fits their person best.
        idp: Its precision.
        idr: Its recall.
        mota: 1 less the share of misses, false boxes and switches; at most 1.
        switches: How often a person had another id than when last seen.
        boxes: Predicted boxes that count.
        persons: True boxes that count.
        ids: Different ids.
    """

    hota: float
    deta: float
    assa: float
    idf1: float
    idp: float
    idr: float
    mota: float
    switches: float
    boxes: float
    persons: float
    ids: float

    def figures(self) -> dict[str, float]:
        """Return all of them by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def camera_scores(steps: Sequence[Step]) -> dict[str, TrackingScores]:
    """Return the scores of each camera by itself."""
    return {
        camera_id: _scores(own, [own])
        for camera_id, own in (
            (camera_id, list(group))
            for camera_id, group in groupby(steps, attrgetter("camera_id"))
        )
    }


def overall_scores(steps: Sequence[Step]) -> TrackingScores:
    """Return the scores over all cameras, with ids that must hold across them."""
    cameras = [list(group) for _, group in groupby(steps, attrgetter("camera_id"))]
    return _scores(steps, cameras)


def _scores(
    steps: Sequence[Step], sequences: Sequence[Sequence[Step]]
) -> TrackingScores:
    data = _track_eval_data(steps)
    hota = HOTA().eval_sequence(data)
    identity = Identity(_QUIET).eval_sequence(data)
    clear = [CLEAR(_QUIET).eval_sequence(_track_eval_data(own)) for own in sequences]
    misses, false, switches, true = (
        sum(float(one[name]) for one in clear)
        for name in ("CLR_FN", "CLR_FP", "IDSW", "CLR_TP")
    )
    return TrackingScores(
        hota=float(np.mean(hota["HOTA"])),
        deta=float(np.mean(hota["DetA"])),
        assa=float(np.mean(hota["AssA"])),
        idf1=float(identity["IDF1"]),
        idp=float(identity["IDP"]),
        idr=float(identity["IDR"]),
        mota=1.0 - (misses + false + switches) / max(1.0, true + misses),
        switches=switches,
        boxes=float(sum(len(step.ids) for step in steps)),
        persons=float(sum(len(step.persons) for step in steps)),
        ids=float(len({one for step in steps for one in step.ids.tolist()})),
    )


def _track_eval_data(steps: Sequence[Step]) -> dict[str, Any]:
    """Return steps in the form that TrackEval takes."""
    persons: dict[int, int] = {}
    ids: dict[int, int] = {}
    if any(len(set(step.ids.tolist())) < len(step.ids) for step in steps):
        raise ValueError("a camera shows an id twice in one frame")
    return {
        "gt_ids": [_places(step.persons, persons) for step in steps],
        "tracker_ids": [_places(step.ids, ids) for step in steps],
        "similarity_scores": [step.similarity for step in steps],
        "num_timesteps": len(steps),
        "num_gt_dets": sum(len(step.persons) for step in steps),
        "num_tracker_dets": sum(len(step.ids) for step in steps),
        "num_gt_ids": len(persons),
        "num_tracker_ids": len(ids),
    }


def _places(values: NDArray[np.int64], known: dict[int, int]) -> NDArray[np.int64]:
    """Return numbers from 0 for values, the same for the same."""
    numbers = [known.setdefault(value, len(known)) for value in values.tolist()]
    return np.array(numbers, np.int64)
