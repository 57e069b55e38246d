"""Which predicted box shows whom, frame by frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from services.common.ids import CameraId
from tests.accuracy.identity.steps import SAME, Step

_CONTINUED = 1000.0


@dataclass(frozen=True, slots=True)
class Match:
    """A box that shows a person.

    Attributes:
        camera_id: The camera.
        frame: Number of the frame.
        time_ns: When it was taken.
        person: Who is there.
        global_id: Who was predicted.
        row: Place of the box in the predictions.
    """

    camera_id: CameraId
    frame: int
    time_ns: int
    person: int
    global_id: int
    row: int


def matches_of(steps: Sequence[Step]) -> Sequence[Match]:
    """Return the matches of all steps, camera by camera, in order of time.

    As in CLEAR MOT, a person keeps the id of the last match where that is possible.
    """
    found: list[Match] = []
    last: dict[tuple[CameraId, int], int] = {}
    for step in steps:
        if not len(step.persons) or not len(step.ids):
            continue
        before = [last.get((step.camera_id, one)) for one in step.persons.tolist()]
        continued = np.array([[one == own for one in step.ids] for own in before])
        close = np.where(step.similarity >= SAME, step.similarity, 0.0)
        value = close + _CONTINUED * continued * (close > 0)
        for place, box in zip(
            *linear_sum_assignment(value, maximize=True), strict=True
        ):
            if close[place, box] > 0:
                person, global_id = int(step.persons[place]), int(step.ids[box])
                last[step.camera_id, person] = global_id
                found.append(
                    Match(
                        step.camera_id,
                        step.frame,
                        step.time_ns,
                        person,
                        global_id,
                        int(step.rows[box]),
                    )
                )
    return found
