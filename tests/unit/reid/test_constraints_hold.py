"""No sequence of frames and feedback breaks what an operator said."""

import contextlib
from collections import Counter
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.errors import InvalidInput, NotFound
from services.common.ids import GlobalId
from services.reid.domain.feedback import Confirm, Merge, Named, Reject, Split
from services.reid.domain.live_state import StoredPrototype, decode_live, encode_live
from services.reid.domain.values import EventKind, TickAnswer
from tests.unit.reid.scenes import SESSION, Scene, Seen, key, tick

sightings = st.builds(
    Seen,
    camera=st.sampled_from(["east", "north", "west"]),
    track=st.integers(1, 3),
    x_m=st.none() | st.floats(0.0, 3.0),
    y_m=st.floats(0.0, 1.0),
    looks=st.none() | st.integers(1, 3),
    coasted=st.booleans(),
)
frames = st.lists(sightings, max_size=7, unique_by=lambda one: (one.camera, one.track))
words = st.tuples(
    st.sampled_from(["merge", "split", "confirm", "reject", "restart"]),
    st.integers(0, 8),
    st.integers(0, 8),
    st.booleans(),
)
scripts = st.lists(frames | words, min_size=4, max_size=25)


def say(scene: Scene, word: tuple[str, int, int, bool]) -> None:
    """Say something about the persons and tracks that are there."""
    kind, one, two, replace = word
    persons = sorted(scene.live.persons)
    tracks = sorted(scene.live.tracks)
    if not persons or not tracks:
        return
    person, other = persons[one % len(persons)], persons[two % len(persons)]
    track = tracks[two % len(tracks)]
    command = {
        "merge": Merge(person, other, replace),
        "split": Split(person, tracks=(track,)),
        "confirm": Confirm(person, track, replace),
        "reject": Reject(person, track, replace),
    }[kind]
    with contextlib.suppress(InvalidInput, NotFound):
        scene.association.carry_out(command, Named(person, other))


def restarted(scene: Scene) -> Scene:
    """Return the scene as another replica finds it in the store."""
    live = scene.live
    stored = [
        StoredPrototype(owner, SESSION, prototype)
        for owner, prototype in _prototypes(scene)
    ]
    again = decode_live(encode_live(live, live.persons), SESSION, {}, stored)
    again.constraints.learn(live.constraints.apart, live.constraints.went)
    return Scene(live=again, draw_id=scene.draw_id)


def _prototypes(scene: Scene) -> list[tuple[GlobalId, object]]:
    of_tracks = [
        (track.global_id, prototype)
        for track in scene.live.tracks.values()
        for prototype in track.prototypes
        if track.global_id is not None
    ]
    of_persons = [
        (person.global_id, prototype)
        for person in scene.live.persons.values()
        for prototype in person.prototypes
    ]
    return of_tracks + of_persons


def require_kept(scene: Scene) -> None:
    """Compare the live set with every constraint."""
    constraints = scene.live.constraints
    for one, two in constraints.apart:
        assert constraints.person(one) != constraints.person(two)
    for track in scene.live.tracks.values():
        pin = constraints.pinned(track.key)
        assert pin is None or track.global_id == pin
        assert track.global_id not in constraints.barred(track.key)


def require_cameras_agree(seen: Sequence[Seen], answer: TickAnswer) -> None:
    """No camera sees one person twice."""
    held = Counter(
        (one.key.camera_id, one.global_id)
        for one in answer.assignments
        if one.global_id
    )
    assert all(times == 1 for times in held.values())
    supported = {key(one.camera, one.track) for one in seen if not one.coasted}
    assert all(one.global_id > 0 for one in answer.assignments if one.key in supported)


@settings(max_examples=60, deadline=None)
@given(scripts)
def test_nothing_breaks_what_was_said(script: list) -> None:
    """Pins, bars and parted persons survive frames, merges, ends and restarts."""
    scene, number, founded = Scene(), 0, []
    for step in script:
        if isinstance(step, tuple):
            if step[0] == "restart":
                scene = restarted(scene)
            else:
                say(scene, step)
        else:
            number += 1
            answer = scene.show(tick(number, step), only_wanted=False)
            require_cameras_agree(step, answer)
            founded += [
                one.global_id for one in answer.changes if one.kind is EventKind.CREATED
            ]
        require_kept(scene)
    assert len(founded) == len(set(founded))
