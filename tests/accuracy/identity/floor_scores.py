"""How well people are placed on the floor, and how calmly."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from services.common.ids import CameraId
from tests.accuracy.identity.matching import Match
from tests.accuracy.identity.published import Box, Person
from tests.accuracy.identity.recording import Camera, Recording, Truth

_Place = NDArray[np.float64]
_Spread = dict[str, float]


def floor_scores(
    recording: Recording,
    boxes: Sequence[Box],
    persons: Sequence[Person],
    matches: Sequence[Match],
) -> dict[str, _Spread]:
    """Return distances on the floor, metres: median, 90th percentile, and how many.

    Where the truth has no positions, a true position is where the camera's own
    calibration puts the lower centre of the true box: errors of the calibration
    itself then show in `disagreement_m` alone.

    Args:
        recording: With the truth.
        boxes: All boxes, in the order that the matches' rows refer to.
        persons: Fused positions.
        matches: Boxes that show people.

    Returns:
        `box_error_m` of one camera's positions; `person_error_m` of fused positions;
        `disagreement_m` between two cameras that see one person at once; `jitter_m`,
        the standard deviation of a fused position's noise from frame to frame.
    """
    truth = _true_places(recording)
    placed = [(one, boxes[one.row].position_m) for one in matches]
    errors = [
        _distance(place, truth[one.camera_id, one.frame, one.person])
        for one, place in placed
        if place is not None and (one.camera_id, one.frame, one.person) in truth
    ]
    return {
        "box_error_m": _spread(errors),
        "disagreement_m": _spread(_disagreements(placed)),
        "person_error_m": _spread(_person_errors(boxes, persons, matches, truth)),
        "jitter_m": _spread(_jitter(persons)),
    }


def _true_places(recording: Recording) -> Mapping[tuple[CameraId, int, int], _Place]:
    """Return where people stand, by camera, frame and person."""
    places = {}
    for camera in recording.cameras:
        for frame in recording.frames[camera.camera_id]:
            if frame.truth is None:
                continue
            positions_m = _positions_m(camera, frame.truth)
            for person, place in zip(
                frame.truth.persons.tolist(), positions_m, strict=True
            ):
                if np.isfinite(place).all():
                    places[camera.camera_id, frame.number, person] = place
    return places


def _positions_m(camera: Camera, truth: Truth) -> _Place:
    """Return where the people of a frame stand; NaN where nobody knows."""
    if truth.positions_m is not None:
        return truth.positions_m
    if camera.image_to_floor is None:
        return np.full((len(truth.persons), 2), np.nan)
    boxes = truth.boxes_px
    feet = np.column_stack(
        [(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3], np.ones(len(boxes))]
    )
    seen = feet @ np.array(camera.image_to_floor).reshape(3, 3).T
    return np.asarray(seen[:, :2] / seen[:, 2:])


def _disagreements(
    placed: Iterable[tuple[Match, tuple[float, float] | None]],
) -> list[float]:
    """Return how far apart two cameras put one person at one moment."""
    moments: dict[tuple[int, int], list[tuple[CameraId, tuple[float, float]]]] = (
        defaultdict(list)
    )
    for match, place in placed:
        if place is not None:
            moments[match.time_ns, match.person].append((match.camera_id, place))
    return [
        _distance(one, two)
        for seen in moments.values()
        for (first, one), (second, two) in combinations(seen, 2)
        if first != second
    ]


def _person_errors(
    boxes: Sequence[Box],
    persons: Sequence[Person],
    matches: Sequence[Match],
    truth: Mapping[tuple[CameraId, int, int], _Place],
) -> list[float]:
    """Return how far fused positions are from the person whom their id shows."""
    shown: dict[tuple[int, int], list[Match]] = defaultdict(list)
    for match in matches:
        box = boxes[match.row]
        shown[box.frame_set, box.global_id].append(match)
    errors = []
    for one in persons:
        seen = shown.get((one.frame_set, one.global_id), ())
        if one.position_m is None or not seen:
            continue
        person = Counter(match.person for match in seen).most_common(1)[0][0]
        places = [
            truth[match.camera_id, match.frame, person]
            for match in seen
            if (match.camera_id, match.frame, person) in truth
        ]
        if places:
            errors.append(_distance(one.position_m, np.mean(places, axis=0)))
    return errors


def _jitter(persons: Iterable[Person]) -> list[float]:
    """Return the noise of each three neighbouring positions of an id, metres.

    The second difference of three positions with independent noise has six times the
    variance of one; a walker's own acceleration is small beside it at video rates.
    """
    paths: dict[int, list[tuple[int, tuple[float, float]]]] = defaultdict(list)
    for one in persons:
        if one.position_m is not None:
            paths[one.global_id].append((one.frame_set, one.position_m))
    found = []
    for path in paths.values():
        sets, places = np.array([n for n, _ in path]), np.array([p for _, p in path])
        bends = places[:-2] - 2 * places[1:-1] + places[2:]
        whole = sets[2:] - sets[:-2] == 2
        found += (np.linalg.norm(bends[whole], axis=1) / np.sqrt(12.0)).tolist()
    return found


def _distance(one: Iterable[float], two: Iterable[float]) -> float:
    return float(np.linalg.norm(np.subtract(list(one), list(two))))


def _spread(values: Sequence[float]) -> _Spread:
    """Return what tells a distribution; nothing but the count where it is empty."""
    if not values:
        return {"count": 0.0}
    return {
        "median": float(np.median(values)),
        "p90": float(np.percentile(values, 90)),
        "count": float(len(values)),
    }
