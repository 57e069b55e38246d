"""How well cameras agree about where people stand.

Each two positions of one person in one frame set, of different cameras, are compared.
Feet are free where the box ends inside the frame and no nearer box covers its lowest
part; elsewhere a camera guesses.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
import numpy.typing as npt

from demo.observation import People
from services.tracker.domain.boxes import covered_share
from services.tracker.domain.foot import feet_regions
from spoton.common.v1 import events_pb2

_COVERED = 0.1
_BORDER_PX = 2.0

Distances = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PairAgreement:
    """How far apart two cameras place people.

    Attributes:
        camera_ids: The two cameras.
        free_m: Distances where both see free feet, metres, shape (N,).
        hidden_m: Distances where one of them does not, metres, shape (M,).
    """

    camera_ids: tuple[str, str]
    free_m: Distances
    hidden_m: Distances


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where one camera places a person."""

    camera_id: str
    point_m: tuple[float, float]
    is_free: bool


def floor_agreement(
    updates: Sequence[events_pb2.TrackingUpdate], people: People
) -> tuple[PairAgreement, ...]:
    """Compare the cameras of an environment, two by two.

    Args:
        updates: What was published, in order.
        people: Who was seen; merged identities count as one person.
    """
    free: dict[tuple[str, str], list[float]] = defaultdict(list)
    hidden: dict[tuple[str, str], list[float]] = defaultdict(list)
    for update in updates:
        for stands in _stands_by_person(update, people).values():
            for one, two in combinations(stands, 2):
                if one.camera_id == two.camera_id:
                    continue
                pair = one.camera_id, two.camera_id
                distance_m = float(np.hypot(*np.subtract(one.point_m, two.point_m)))
                both_free = one.is_free and two.is_free
                (free if both_free else hidden)[pair].append(distance_m)
    return tuple(
        PairAgreement(pair, np.array(free[pair]), np.array(hidden[pair]))
        for pair in sorted({*free, *hidden})
    )


def all_free_m(agreement: Sequence[PairAgreement]) -> Distances:
    """Return the distances of all pairs where both cameras see free feet, metres."""
    return np.fromiter(chain.from_iterable(one.free_m for one in agreement), np.float64)


def all_hidden_m(agreement: Sequence[PairAgreement]) -> Distances:
    """Return the distances of all pairs where a camera does not, metres."""
    return np.fromiter(
        chain.from_iterable(one.hidden_m for one in agreement), np.float64
    )


def _stands_by_person(
    update: events_pb2.TrackingUpdate, people: People
) -> dict[int, list[_Stand]]:
    """Return where each known person stands, cameras in the order of their names."""
    stands: dict[int, list[_Stand]] = defaultdict(list)
    for camera in sorted(update.cameras, key=lambda one: one.frame.camera_id):
        for track, is_free in _with_feet(camera):
            if track.global_id and track.HasField("position") and not track.coasted:
                point = track.position.point
                stands[people.survivor(track.global_id)].append(
                    _Stand(camera.frame.camera_id, (point.x_m, point.y_m), is_free)
                )
    return stands


def _with_feet(
    camera: events_pb2.CameraTracks,
) -> Iterator[tuple[events_pb2.TrackedPerson, bool]]:
    """Yield each track of a camera with whether its feet are free."""
    if not camera.tracks:
        return
    boxes = [track.box for track in camera.tracks]
    boxes_px = np.array([(b.x_min, b.y_min, b.x_max, b.y_max) for b in boxes], float)
    covered = covered_share(feet_regions(boxes_px), boxes_px)
    x_min, _, x_max, y_max = boxes_px.T
    size = camera.frame_size
    inside = (x_min > _BORDER_PX) & (x_max < size.width - _BORDER_PX)
    inside &= y_max < size.height - _BORDER_PX
    yield from zip(camera.tracks, (inside & (covered < _COVERED)).tolist(), strict=True)
