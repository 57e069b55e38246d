"""Keeping and loading the live set."""

import json
import zlib
from dataclasses import replace

import pytest

from services.common.ids import GlobalId, ModelId, SessionId
from services.reid.domain.association import Association
from services.reid.domain.live_set import LiveSet
from services.reid.domain.live_state import (
    StoredPrototype,
    decode_live,
    encode_live,
    person_from_json,
    person_to_json,
)
from services.reid.domain.person import Person
from tests.unit.reid.scenes import (
    CONFIG,
    MODEL,
    SESSION,
    Scene,
    Seen,
    labels_of,
    persons_of,
    tick,
)


def restarted(scene: Scene, session_id: SessionId = SESSION) -> Scene:
    """Return a scene that goes on from what a store would hold."""
    live = scene.live
    prototypes: dict[GlobalId, StoredPrototype] = {}
    for changes in scene.changes:
        for prototype_id, (global_id, prototype) in changes.prototypes.items():
            prototypes[prototype_id] = StoredPrototype(global_id, SESSION, prototype)
        for prototype_id in changes.forgotten:
            prototypes.pop(prototype_id, None)
    present = live.present_ids()
    stored: dict[GlobalId, Person] = {
        global_id: person_from_json(json.loads(json.dumps(person_to_json(person))))
        for global_id, person in live.persons.items()
        if global_id not in present
    }
    state = encode_live(live, present)
    decoded = decode_live(state, session_id, stored, prototypes.values())
    return Scene(scene.config, decoded, scene.draw_id)


def passers_by(number: int) -> list[Seen]:
    """People come and go in two cameras; one returns."""
    seen = []
    if number < 30:
        seen.append(Seen("east", 1, 0.1 * number, looks=1))
    if 5 <= number < 45:
        seen.append(Seen("west", 1, 0.1 * number + 0.1, looks=1))
    if number >= 20:
        seen.append(Seen("east", 2, 9.0 - 0.1 * number, 1.0, looks=2))
    if number >= 55:
        seen.append(Seen("west", 2, 4.0, looks=1))
    return seen


@pytest.mark.parametrize("crash_at", [1, 8, 29, 31, 46, 57])
def test_a_restart_changes_no_answer(crash_at: int) -> None:
    """Ticks after loading the state are answered as if nothing had happened."""
    steady, shaken = Scene(), Scene()
    steady.play(1, crash_at, passers_by)
    shaken.play(1, crash_at, passers_by)
    shaken = restarted(shaken)
    steady.play(crash_at + 1, 80, passers_by)
    shaken.play(crash_at + 1, 80, passers_by)
    after = zip(steady.answers[crash_at:], shaken.answers, strict=True)
    for one, other in after:
        assert labels_of(one) == labels_of(other)
        assert one.persons == tuple(
            replace(theirs, global_id=ours.global_id)
            for ours, theirs in zip(one.persons, other.persons, strict=True)
        )


def test_another_session_starts_with_the_persons_but_no_tracks() -> None:
    """Tracks end with their session; whoever they were can be recognised."""
    scene = Scene()
    before = scene.play(1, 30, lambda _: [Seen("east", 1, 0.0, looks=1)])
    again = restarted(scene, SessionId("another"))
    assert not again.live.tracks
    after = again.play(31, 60, lambda _: [Seen("east", 1, 0.5, looks=1)])
    assert persons_of(after) == persons_of(before)


def test_unknown_versions_are_refused() -> None:
    """State of newer software is not misread."""
    state = encode_live(LiveSet(SESSION), ())
    document = json.loads(zlib.decompress(state))
    document["version"] = 99
    newer = zlib.compress(json.dumps(document).encode())
    with pytest.raises(ValueError, match="version 99"):
        decode_live(newer, SESSION, {}, ())


def test_the_state_stays_small() -> None:
    """Fifteen people in two cameras take a few kilobytes a tick."""
    scene = Scene()
    seen = [
        Seen(camera, person, 2.0 * person, looks=person)
        for camera in ("east", "west")
        for person in range(1, 16)
    ]
    for number in range(1, 30):
        scene.show(tick(number, seen))
    assert len(encode_live(scene.live, scene.live.present_ids())) < 16_000


def test_what_was_learned_is_kept_and_belongs_to_a_model() -> None:
    """Floors and similarities survive a restart; another model begins with none."""
    scene = Scene()
    scene.play(
        1,
        100,
        lambda number: [
            Seen(camera, person, 0.1 * number + 3.0 * person, looks=person)
            for camera in ("east", "west")
            for person in (1, 2)
        ],
    )
    again = restarted(scene)
    assert again.live.looks == scene.live.looks
    assert again.live.looks.different.count > 0
    (before,) = scene.live.floors.of_pair.values()
    (after,) = again.live.floors.of_pair.values()
    assert (after.mean == before.mean).all()
    assert after.looks == before.looks > 0
    other = replace(MODEL, model_id=ModelId("another"))
    Association(again.live, other, CONFIG, lambda: GlobalId(1))
    assert again.live.looks.different.count == 0


def test_state_of_the_version_before_is_loaded() -> None:
    """State that knows nothing of what is learned now goes on without it."""
    scene = Scene()
    scene.play(1, 30, passers_by)
    document = json.loads(zlib.decompress(encode_live(scene.live, scene.live.persons)))
    document["version"] = 1
    for name in ("walked", "floors", "looks"):
        del document[name]
    for one in document["tracks"]:
        del one["spot"], one["places"]
    for one in document["persons"]:
        del one["spots"]
    older = zlib.compress(json.dumps(document).encode())
    live = decode_live(older, SESSION, {}, ())
    assert live.tracks.keys() == scene.live.tracks.keys()
    assert live.looks.different.count == 0
    assert (live.pairs.nats == scene.live.pairs.nats).all()
