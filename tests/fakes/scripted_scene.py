"""An hour of twenty persons whose every step is known.

The scene is made twice from one list of sightings: as events, for the service, and as
plain sightings of real persons, for computing by hand what the service should answer.
It is seeded, and all its coordinates are multiples of 1/8 m, which every way of storing
them keeps exactly; no zone border is.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from google.protobuf.timestamp_pb2 import Timestamp

from spoton.common.v1 import events_pb2

START_S = 1_772_442_000
"""2026-03-02 09:00:00 UTC."""
DURATION_S = 3600
STEP_US = 500_000
US = 1_000_000
FLOOR = "ground"
SESSION, TIMELINE = "session-a", "timeline-a"

Corner = tuple[float, float]

ZONES: dict[str, tuple[Corner, ...]] = {
    "entrance": ((0.05, 0.05), (8.05, 0.05), (8.05, 19.95), (0.05, 19.95)),
    "shop": ((10.05, 0.05), (28.05, 0.05), (28.05, 14.05), (10.05, 14.05)),
    "queue": ((24.05, 2.05), (27.95, 2.05), (27.95, 8.05), (24.05, 8.05)),
    "cafe": (
        (30.05, 0.05),
        (39.95, 0.05),
        (39.95, 16.05),
        (34.05, 16.05),
        (34.05, 8.05),
        (30.05, 8.05),
    ),
}
"""By name; `queue` lies inside `shop`, and `cafe` has a reflex corner."""

TRIPWIRES: dict[str, tuple[Corner, Corner]] = {
    "aisle": ((9.05, -1.0), (9.05, 21.0)),
    "gangway": ((29.05, 21.0), (29.05, -1.0)),
}
"""Start and end: `aisle` runs north, `gangway` south, both across the whole floor."""

CAMERAS: dict[str, tuple[float, float]] = {
    "east": (26.0, 40.0),
    "middle": (12.0, 32.0),
    "west": (0.0, 18.0),
}
"""Range of x that each camera sees, metres; none sees y above `BLIND_Y_M`."""

BLIND_Y_M = 18.0
TARGETS: dict[str, tuple[float, float, float, float]] = {
    "entrance": (1.0, 2.0, 7.0, 16.0),
    "shop": (11.0, 1.0, 23.0, 13.0),
    "queue": (24.5, 2.5, 27.5, 7.5),
    "cafe": (35.0, 1.0, 39.0, 15.0),
    "blind": (9.0, 18.5, 30.0, 19.5),
}
DOOR = (1.0, 10.0)
EMPTY_S = (1500.0, 2000.0)
"""Nobody is there from the first to the second of the scene."""
GAP_S = (2700.0, 2820.0)
"""Events of these seconds never reach the history."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One person in one frame set.

    Attributes:
        time_us: Capture time, microseconds since 1970 UTC.
        person: Who it really is, which is also the id that the history ends with.
        global_id: Who it was said to be at the time.
        position_m: Where on the floor; None where no camera located the person.
        camera_ids: Who sees the person, sorted; never empty.
        provisional: Whether the identity was not final at the time.
        velocity_mps: How fast, metres per second; of no meaning without a position.
        track: Which of a camera's tracks: one that begins under another id is another.
    """

    time_us: int
    person: int
    global_id: int
    position_m: tuple[float, float] | None
    camera_ids: tuple[str, ...]
    provisional: bool = False
    velocity_mps: tuple[float, float] = (0.0, 0.0)
    track: int = 0


@dataclass(frozen=True, slots=True)
class IdentityChange:
    """A merge or a split at a time.

    Attributes:
        time_us: When.
        kind: `IDENTITY_EVENT_KIND_…`.
        global_id: Who survives, or who loses a part.
        other_global_id: Who is merged away, or who the part is.
    """

    time_us: int
    kind: "events_pb2.IdentityEventKind.ValueType"
    global_id: int
    other_global_id: int


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that happens.

    Attributes:
        sightings: In the order of time, then global_id.
        changes: In the order of time.
        start_us: Capture time of the first frame set.
        frame_sets: How many there are, at `STEP_US`.
        lost_us: Ranges of time whose events are never delivered.
        session_id: Session that sees it.
        timeline_id: Its timeline.
        ends: Whether the session ends.
    """

    sightings: tuple[Sighting, ...]
    changes: tuple[IdentityChange, ...] = ()
    start_us: int = START_S * US
    frame_sets: int = DURATION_S * US // STEP_US
    lost_us: tuple[tuple[int, int], ...] = ()
    session_id: str = SESSION
    timeline_id: str = TIMELINE
    ends: bool = True

    @property
    def end_us(self) -> int:
        """Time right after the last frame set's interval."""
        return self.start_us + self.frame_sets * STEP_US

    @property
    def delivered(self) -> tuple[Sighting, ...]:
        """Sightings that reach the history."""
        return tuple(one for one in self.sightings if not self.is_lost(one.time_us))

    def is_lost(self, time_us: int) -> bool:
        """Return whether the events of a time are never delivered."""
        return any(first <= time_us < end for first, end in self.lost_us)


@dataclass(slots=True)
class _Walk:
    """One person's way, in the making."""

    number: int
    random: random.Random
    at_m: Corner = DOOR
    samples: list[tuple[int, Corner]] = field(default_factory=list)
    time_us: int = 0

    def begin(self, at_s: float) -> None:
        """Appear at the door."""
        self.time_us = START_S * US + round(at_s * US / STEP_US) * STEP_US
        self.at_m = DOOR
        self._stand()

    def go(self, target_m: Corner) -> None:
        """Walk straight to a point."""
        speed_mps = self.random.uniform(0.8, 1.6)
        (x0, y0), (x1, y1) = self.at_m, target_m
        length_m = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        steps = max(1, round(length_m / speed_mps * US / STEP_US))
        for step in range(1, steps + 1):
            share = step / steps
            self.at_m = _eighths(x0 + (x1 - x0) * share, y0 + (y1 - y0) * share)
            self._stand()

    def wait(self, duration_s: float) -> None:
        """Stay, shifting from one foot to the other."""
        home = self.at_m
        for step in range(round(duration_s * US / STEP_US)):
            sway = 0.125 * (step // 8 % 2)
            self.at_m = _eighths(home[0] + sway, home[1])
            self._stand()

    def _stand(self) -> None:
        self.samples.append((self.time_us, self.at_m))
        self.time_us += STEP_US


def scripted_scene(seed: int = 20) -> Scene:
    """Return the hour: merges, a split, blind spots, an empty stretch and a gap."""
    rng = random.Random(seed)
    sightings: list[Sighting] = []
    for number in range(1, 21):
        sightings += _seen(_walk(number, rng), number)
    sightings += _phantom(sightings) + _double(sightings)
    start_us = START_S * US
    scene = Scene(
        sightings=tuple(
            sorted(sightings, key=lambda one: (one.time_us, one.global_id))
        ),
        lost_us=((start_us + int(GAP_S[0]) * US, start_us + int(GAP_S[1]) * US),),
    )
    return _with_changes(scene)


def _walk(number: int, rng: random.Random) -> _Walk:
    """Return the way of one person: odd ones come before the empty stretch."""
    walk = _Walk(number, rng)
    first = number <= 9
    walk.begin(rng.uniform(0, 900) if first else rng.uniform(*_late_start(number)))
    names = [rng.choice(sorted(TARGETS)) for _ in range(rng.randint(3, 6))]
    names[0] = ("shop", "cafe", "queue", "blind")[number % 4]
    latest_us = START_S * US + int(EMPTY_S[0] - 60 if first else DURATION_S - 90) * US
    for name in names:
        x_min, y_min, x_max, y_max = TARGETS[name]
        walk.go(_eighths(rng.uniform(x_min, x_max), rng.uniform(y_min, y_max)))
        patience_s = (latest_us - walk.time_us) / US
        walk.wait(max(0.0, min(rng.uniform(5, 240), patience_s)))
        if walk.time_us >= latest_us:
            break
    walk.go(DOOR)
    return walk


def _late_start(number: int) -> tuple[float, float]:
    """Return from when to when a person of the second half comes."""
    return (2500.0, 2690.0) if number in {17, 18} else (EMPTY_S[1], 3200.0)


def _seen(walk: _Walk, number: int) -> Iterator[Sighting]:
    """Yield the sightings of a walk under the person's own id."""
    begun_us, before_m = walk.samples[0]
    for time_us, position_m in walk.samples:
        step_m = position_m[0] - before_m[0], position_m[1] - before_m[1]
        before_m = position_m
        cameras = cameras_at(position_m)
        if not cameras or time_us >= (START_S + DURATION_S) * US:
            continue
        age_s = (time_us - begun_us) / US
        located = not (number == 18 and 10 <= age_s < 30)
        yield Sighting(
            time_us=time_us,
            person=100 + number,
            global_id=100 + number,
            position_m=position_m if located else None,
            camera_ids=cameras,
            provisional=number == 15 and age_s < 5,
            velocity_mps=(step_m[0] * US / STEP_US, step_m[1] * US / STEP_US),
        )


def _phantom(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Return a person who is never more than a guess, beside person 103."""
    beside = [one for one in sightings if one.person == 103 and one.position_m][40:46]
    return [replace(one, person=300, global_id=300, provisional=True) for one in beside]


def _double(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Return person 104 once more, as 204, where two cameras see the one place."""
    shared = [
        one for one in sightings if one.person == 104 and len(one.camera_ids) == 2
    ]
    return [
        replace(one, global_id=204, track=204, camera_ids=one.camera_ids[:1])
        for one in shared[:12]
    ]


def _with_changes(scene: Scene) -> Scene:
    """Rename as an imperfect tracker would, with the events that mend it.

    Person 107 is taken for somebody new, 207, after half of the sightings, and the two
    are merged. Person 104 is also 204 for a while, at the same time, and the two are
    merged. Person 112 is merged into 111, who has left, and split off again.
    """
    mine = [one.time_us for one in scene.sightings if one.person == 107]
    renamed_us, merged_us = mine[len(mine) // 2], mine[len(mine) // 2] + 60 * US
    twelve = [one.time_us for one in scene.sightings if one.person == 112]
    wrong_us = max(twelve[-1], twelve[0]) + STEP_US
    sightings = tuple(
        _renamed(one, merged_us)
        if one.person == 107 and one.time_us >= renamed_us
        else one
        for one in scene.sightings
    )
    merged = events_pb2.IDENTITY_EVENT_KIND_MERGED
    split = events_pb2.IDENTITY_EVENT_KIND_SPLIT
    doubled_us = max(one.time_us for one in scene.sightings if one.global_id == 204)
    changes = (
        IdentityChange(doubled_us + 5 * US, merged, 104, 204),
        IdentityChange(merged_us, merged, 107, 207),
        IdentityChange(wrong_us, merged, 111, 112),
        IdentityChange(wrong_us + 20 * US, split, 111, 112),
    )
    in_order = tuple(sorted(changes, key=lambda one: one.time_us))
    return replace(scene, sightings=sightings, changes=in_order)


def _renamed(sighting: Sighting, merged_us: int) -> Sighting:
    """Return a sighting of 107 as 207, or as 107 again once that is found out."""
    global_id = 207 if sighting.time_us < merged_us else 107
    return replace(sighting, global_id=global_id, track=207)


def cameras_at(position_m: Corner) -> tuple[str, ...]:
    """Return which cameras see a point, sorted."""
    x_m, y_m = position_m
    if y_m > BLIND_Y_M:
        return ()
    return tuple(
        name for name, (low, high) in sorted(CAMERAS.items()) if low <= x_m <= high
    )


def timestamp(time_us: int) -> Timestamp:
    """Return the message of a time in microseconds."""
    return Timestamp(seconds=time_us // US, nanos=time_us % US * 1000)


def _eighths(x_m: float, y_m: float) -> Corner:
    return round(x_m * 8) / 8, round(y_m * 8) / 8
