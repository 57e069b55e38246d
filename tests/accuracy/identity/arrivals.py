"""Hand-overs and re-entries: whoever arrives in a camera, is it known who that is?

A *visit* is a person, or an id, in one camera, without gaps of more than a second. A
person *arrives* with every visit but the first. The visit *before* is the one of the
same person, in any camera, that lasts longest up to the arrival. Where somebody saw
the person within the last second, the arrival is a *hand-over* to another camera,
otherwise it is a *re-entry*.

*Recall* goes over the true arrivals: the share in which both visits have one majority
id. *Precision* goes over the arrivals of ids: of those in which both visits show
somebody who is annotated, the share in which that is one person.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.common.ids import CameraId
from tests.accuracy.identity.matching import Match
from tests.accuracy.identity.pair_scores import shares
from tests.accuracy.identity.steps import Step

GAP_S = 1.0
LEAST_BOXES = 5
"""Shorter visits are chance finds; they neither count nor come before anything."""

_S_NS = 1_000_000_000
_Seen = tuple[CameraId, int, int | None]
"""Camera, time, and whom the other side says it is; None for nobody."""


@dataclass(slots=True)
class Visit:
    """Somebody in one camera.

    Attributes:
        camera_id: The camera.
        start_ns: When it begins.
        end_ns: When it ends.
        boxes: How many boxes it has.
        others: Who the other side says it is, with the number of boxes.
    """

    camera_id: CameraId
    start_ns: int
    end_ns: int
    boxes: int = 0
    others: Counter[int] = field(default_factory=Counter)

    def majority(self, least_share: float = 0.0) -> int | None:
        """Return who the other side says it is; None if it says nothing."""
        if not self.others:
            return None
        other, count = max(self.others.items(), key=lambda one: (one[1], -one[0]))
        return other if count >= least_share * self.boxes else None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A visit, and the one before it."""

    before: Visit
    now: Visit

    @property
    def is_hand_over(self) -> bool:
        """Whether somebody saw the person until now."""
        return self.now.start_ns - self.before.end_ns <= GAP_S * _S_NS


def arrival_scores(
    steps: Sequence[Step], matches: Sequence[Match]
) -> dict[str, dict[str, float]]:
    """Return recall and precision of `all` arrivals, `handover` and `reentry`."""
    true = list(_arrivals(_visits_of_persons(steps, matches)))
    told = list(_arrivals(_visits_of_ids(steps, matches)))
    return {
        "all": _scored(true, told),
        "handover": _scored(
            [one for one in true if one.is_hand_over],
            [one for one in told if one.is_hand_over],
        ),
        "reentry": _scored(
            [one for one in true if not one.is_hand_over],
            [one for one in told if not one.is_hand_over],
        ),
    }


def _scored(true: Iterable[Arrival], told: Iterable[Arrival]) -> dict[str, float]:
    known = [_is_one(one) for one in true]
    judged = [one for one in map(_is_right, told) if one is not None]
    found = shares(sum(judged), len(judged), 0) | shares(sum(known), 0, len(known))
    return found | {"arrivals": float(len(known)), "told": float(len(judged))}


def _is_one(arrival: Arrival) -> bool:
    """Return whether both visits of a person have one id."""
    own = arrival.now.majority()
    return own is not None and own == arrival.before.majority()


def _is_right(arrival: Arrival) -> bool | None:
    """Return whether both visits of an id show one person; None if nobody can tell."""
    now, before = arrival.now.majority(0.5), arrival.before.majority(0.5)
    return None if now is None or before is None else now == before


def _visits_of_persons(
    steps: Sequence[Step], matches: Sequence[Match]
) -> Mapping[int, Sequence[Visit]]:
    said = {(one.camera_id, one.frame, one.person): one.global_id for one in matches}
    seen: dict[int, list[_Seen]] = defaultdict(list)
    for step in steps:
        for person in step.persons.tolist():
            other = said.get((step.camera_id, step.frame, person))
            seen[person].append((step.camera_id, step.time_ns, other))
    return {person: list(_visits(own)) for person, own in seen.items()}


def _visits_of_ids(
    steps: Sequence[Step], matches: Sequence[Match]
) -> Mapping[int, Sequence[Visit]]:
    said = {one.row: one.person for one in matches}
    seen: dict[int, list[_Seen]] = defaultdict(list)
    for step in steps:
        for global_id, row in zip(step.ids.tolist(), step.rows.tolist(), strict=True):
            seen[global_id].append((step.camera_id, step.time_ns, said.get(row)))
    return {global_id: list(_visits(own)) for global_id, own in seen.items()}


def _visits(seen: Iterable[_Seen]) -> Iterator[Visit]:
    """Yield the visits in what was seen of one person, camera by camera."""
    visit: Visit | None = None
    for camera_id, time_ns, other in seen:
        if (
            visit is None
            or visit.camera_id != camera_id
            or time_ns - visit.end_ns > GAP_S * _S_NS
        ):
            if visit is not None:
                yield visit
            visit = Visit(camera_id, time_ns, time_ns)
        visit.end_ns = time_ns
        visit.boxes += 1
        if other is not None:
            visit.others[other] += 1
    if visit is not None:
        yield visit


def _arrivals(visits: Mapping[int, Sequence[Visit]]) -> Iterator[Arrival]:
    """Yield every visit that is not somebody's first, with the one before it."""
    for own in visits.values():
        lasting = [visit for visit in own if visit.boxes >= LEAST_BOXES]
        ordered = sorted(lasting, key=lambda one: (one.start_ns, one.camera_id))
        for index, now in enumerate(ordered[1:], 1):
            earlier = ordered[:index]
            before = max(earlier, key=lambda one: min(one.end_ns, now.start_ns))
            yield Arrival(before, now)
