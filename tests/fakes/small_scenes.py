"""Small scenes of random walks, for hypothesis."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st

from spoton.common.v1 import events_pb2
from tests.fakes.scripted_scene import (
    CAMERAS,
    START_S,
    STEP_US,
    US,
    IdentityChange,
    Scene,
    Sighting,
)

FRAME_SETS = 40
PLACES = ((4.0, 4.0), (9.0, 4.0), (15.0, 10.0), (25.0, 5.0), (35.0, 5.0), (35.0, 19.0))
"""In `entrance`, in no zone, in `shop`, in `queue` and `shop`, in `cafe`, in none."""

START_US = START_S * US


@st.composite
def ways(draw: st.DrawFn) -> list[int | None]:
    """Draw where somebody is in each frame set: a place, or -1 for none, or away."""
    way: list[int | None] = []
    while len(way) < FRAME_SETS:
        where = draw(st.sampled_from([None, -1, *range(len(PLACES))]))
        way += [where] * draw(st.integers(1, 9))
    return way[:FRAME_SETS]


@st.composite
def scenes(draw: st.DrawFn, persons: int = 3) -> Scene:
    """Draw a scene of up to so many persons, each under one name."""
    drawn = draw(st.lists(ways(), min_size=1, max_size=persons))
    return scene_of(dict(enumerate(drawn, 101)))


def scene_of(
    everybody: dict[int, list[int | None]], cameras: Sequence[str] = ("middle",)
) -> Scene:
    """Return a scene in which persons go their ways, seen by these cameras."""
    sightings = [
        Sighting(
            time_us=START_US + frame * STEP_US,
            person=person,
            global_id=person,
            position_m=None if where < 0 else PLACES[where],
            camera_ids=tuple(sorted(cameras)),
        )
        for person, way in everybody.items()
        for frame, where in enumerate(way)
        if where is not None
    ]
    in_order = tuple(sorted(sightings, key=lambda one: (one.time_us, one.global_id)))
    return Scene(sightings=in_order, frame_sets=FRAME_SETS)


def renamed(scene: Scene, person: int, other: int, frame: int) -> Scene:
    """Return the scene with a person under another name from a frame set on."""
    from_us = START_US + frame * STEP_US
    sightings = tuple(
        replace(one, global_id=other, track=other)
        if one.person == person and one.time_us >= from_us
        else one
        for one in scene.sightings
    )
    return replace(scene, sightings=sightings)


def with_change(scene: Scene, kind: str, global_id: int, other: int, s: float) -> Scene:
    """Return the scene with one more change of an identity, after what is there."""
    value = events_pb2.IdentityEventKind.Value(f"IDENTITY_EVENT_KIND_{kind}")
    change = IdentityChange(START_US + round(s * US), value, global_id, other)
    return replace(scene, changes=(*scene.changes, change))


def seen_by_all(scene: Scene) -> Scene:
    """Return the scene with every camera seeing everybody."""
    everywhere = tuple(sorted(CAMERAS))
    sightings = tuple(replace(one, camera_ids=everywhere) for one in scene.sightings)
    return replace(scene, sightings=sightings)
