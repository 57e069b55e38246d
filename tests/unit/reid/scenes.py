"""People who walk past cameras, and what the association says about them."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np

from services.common.ids import CameraId, GlobalId, ModelId, SessionId, TrackId
from services.reid.domain.appearance import AppearanceModel
from services.reid.domain.association import Association
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.live_set import Changes, LiveSet
from services.reid.domain.values import (
    CameraSightings,
    FloorFix,
    IdentityChange,
    Sighting,
    Tick,
    TickAnswer,
    TrackKey,
)

START_NS = 1_780_000_000_000_000_000
TICK_NS = 100_000_000
SESSION = SessionId("session")
MODEL = AppearanceModel(ModelId("test"), 32, 0.6)
CONFIG = AssociationConfig()


@dataclass(frozen=True)
class Seen:
    """One track in one frame: which person stands where, and looks like whom."""

    camera: str
    track: int
    x_m: float | None = None
    y_m: float = 0.0
    looks: int | None = None
    coasted: bool = False
    sigma_m: float = 0.2
    x_px: float | None = None


def key(camera: str, track: int) -> TrackKey:
    """Return the key of a track."""
    return TrackKey(CameraId(camera), TrackId(track))


def vector(person: int) -> np.ndarray:
    """Return what a person looks like."""
    values = np.random.default_rng(person).normal(size=MODEL.dimensions)
    return (values / np.linalg.norm(values)).astype(np.float32)


def tick(frame_set: int, seen: Sequence[Seen], ended: Iterable[TrackKey] = ()) -> Tick:
    """Return a tick; every camera that sees or ends something is in it."""
    time_ns = START_NS + frame_set * TICK_NS
    by_camera: dict[str, list[Sighting]] = defaultdict(list)
    over: dict[str, list[TrackKey]] = defaultdict(list)
    for one in seen:
        by_camera[one.camera].append(_sighting(one))
    for one in ended:
        over[one.camera_id].append(one)
    return Tick(
        session_id=SESSION,
        frame_set=frame_set,
        captured_ns=time_ns,
        cameras=tuple(
            CameraSightings(
                CameraId(camera),
                time_ns,
                0.0,
                tuple(by_camera[camera]),
                tuple(over[camera]),
            )
            for camera in dict.fromkeys([*by_camera, *over])
        ),
    )


def _sighting(seen: Seen) -> Sighting:
    fix = None
    if seen.x_m is not None:
        spread = seen.sigma_m**2
        fix = FloorFix(seen.x_m, seen.y_m, spread, 0.0, spread, "ground", 1)
    return Sighting(
        key=key(seen.camera, seen.track),
        height_px=150.0,
        score=0.9,
        coasted=seen.coasted,
        occlusion=0.0,
        fix=fix,
        vector=None if seen.looks is None else vector(seen.looks),
        centre_px=None if seen.x_px is None else (seen.x_px, 200.0),
    )


@dataclass
class Scene:
    """An association, and everything that it said."""

    config: AssociationConfig = CONFIG
    live: LiveSet = field(default_factory=lambda: LiveSet(SESSION))
    draw_id: Callable[[], int] = field(default_factory=lambda: count(1001).__next__)
    answers: list[TickAnswer] = field(default_factory=list)
    changes: list[Changes] = field(default_factory=list)
    association: Association = field(init=False)

    def __post_init__(self) -> None:
        self.association = Association(
            self.live, MODEL, self.config, lambda: GlobalId(self.draw_id())
        )

    def show(self, one: Tick, *, only_wanted: bool = True) -> TickAnswer:
        """Apply a tick; vectors come only where they are wanted."""
        bare = _stripped(one, set()) if only_wanted else one
        wanted = self.association.wanted(bare)
        shown = _stripped(one, set(wanted)) if only_wanted else one
        answer, changes = self.association.apply(shown, wanted)
        self.answers.append(answer)
        self.changes.append(changes)
        return answer

    def play(
        self, first: int, last: int, at: Callable[[int], Sequence[Seen]]
    ) -> TickAnswer:
        """Apply the ticks from `first` to `last`; tracks that vanish end."""
        before: set[TrackKey] = set(self.live.tracks)
        for number in range(first, last + 1):
            seen = at(number)
            keys = {key(one.camera, one.track) for one in seen}
            self.show(tick(number, seen, sorted(before - keys)))
            before = keys
        return self.answers[-1]

    @property
    def events(self) -> list[IdentityChange]:
        """Every change so far."""
        return [event for answer in self.answers for event in answer.changes]


def persons_of(answer: TickAnswer) -> dict[tuple[str, int], int]:
    """Return the person of each track."""
    return {tuple(one.key): one.global_id for one in answer.assignments}


def labels_of(answer: TickAnswer) -> str:
    """Return a tick's assignments in terms of labels, to compare two runs."""
    label = {one.global_id: one.label for one in answer.persons}
    return json.dumps(
        [
            [*one.key, label.get(one.global_id), one.provisional]
            for one in answer.assignments
        ]
    )


def _stripped(one: Tick, keep: set[TrackKey]) -> Tick:
    """Return the tick with the vectors of some tracks only."""
    return replace(
        one,
        cameras=tuple(
            replace(
                camera,
                sightings=tuple(
                    sighting if sighting.key in keep else replace(sighting, vector=None)
                    for sighting in camera.sightings
                ),
            )
            for camera in one.cameras
        ),
    )
