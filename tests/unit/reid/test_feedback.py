"""What operators say holds, whatever cameras see afterwards."""

import pytest

from services.common.errors import InvalidInput, NotFound
from services.common.ids import GlobalId, SessionId
from services.reid.domain.feedback import (
    Confirm,
    Former,
    Merge,
    Named,
    Reject,
    Split,
)
from services.reid.domain.live_set import Changes
from services.reid.domain.live_state import (
    decode_live,
    encode_live,
    person_from_json,
    person_to_json,
)
from services.reid.domain.tracklet import CameraRecord
from services.reid.domain.values import EventKind
from tests.unit.reid.scenes import SESSION, Scene, Seen, key, persons_of, tick

EAST, WEST = key("east", 1), key("west", 1)
APART = [Seen("east", 1, 0.0), Seen("west", 1, 9.0)]
TOGETHER = [Seen("east", 1, 0.0), Seen("west", 1, 0.1)]


def two_persons() -> tuple[Scene, GlobalId, GlobalId]:
    """Return a scene of two tracks that are two persons."""
    scene = Scene()
    held = persons_of(scene.play(1, 40, lambda _: APART))
    return scene, held["east", 1], held["west", 1]


def one_person() -> tuple[Scene, GlobalId]:
    """Return a scene of two tracks that are one person."""
    scene = Scene()
    held = persons_of(scene.play(1, 40, lambda _: TOGETHER))
    assert held["east", 1] == held["west", 1]
    return scene, held["east", 1]


def former_of(changes: Changes, away: GlobalId) -> Former:
    """Return a merged identity as a store would."""
    snapshot = changes.departed[away]
    ids = frozenset(prototype_id for prototype_id, _ in changes.prototypes.items())
    person = person_from_json(person_to_json(snapshot.person))
    return Former(person, snapshot.merge, ids)


def test_a_merge_outlasts_the_floor() -> None:
    """Two who stand apart are one for as long as the tracks live."""
    scene, first, second = two_persons()
    effect, changes = scene.association.carry_out(
        Merge(first, second), Named(first, second)
    )
    assert effect.global_id == first
    assert [(one.kind, one.frame_set) for one in changes.events] == [
        (EventKind.MERGED, None)
    ]
    held = persons_of(scene.play(41, 140, lambda _: APART))
    assert set(held.values()) == {first}


def test_a_merge_of_two_who_were_seen_at_once_is_refused() -> None:
    """One camera saw both: nobody can make them one, and nothing changes."""
    scene = Scene()
    both = [Seen("east", 1, 0.0), Seen("east", 2, 3.0)]
    held = persons_of(scene.play(1, 20, lambda _: both))
    first, second = held["east", 1], held["east", 2]
    with pytest.raises(InvalidInput) as caught:
        scene.association.carry_out(Merge(first, second), Named(first, second))
    assert caught.value.field == "other_global_id"
    assert "east" in caught.value.message
    assert set(scene.live.persons) == {first, second}
    # Also when one of the two has left.
    scene.play(21, 21, lambda _: both[:1])
    with pytest.raises(InvalidInput):
        scene.association.carry_out(Merge(first, second), Named(first, second))


def test_a_split_outlasts_the_floor() -> None:
    """Two who stand in one place stay two, and are two after a restart."""
    scene, person = one_person()
    effect, changes = scene.association.carry_out(
        Split(person, tracks=(WEST,)), Named(person)
    )
    other = effect.other_global_id
    assert [one.kind for one in changes.events] == [EventKind.CREATED, EventKind.SPLIT]
    apart = set(scene.live.constraints.apart)
    live = decode_live(encode_live(scene.live, scene.live.persons), SESSION, {}, ())
    live.constraints.learn(apart, {})
    again = Scene(live=live)
    for one in (scene, again):
        held = persons_of(one.play(41, 140, lambda _: TOGETHER))
        assert held == {("east", 1): person, ("west", 1): other}


def test_who_was_split_is_not_taken_for_the_same_on_return() -> None:
    """When the tracks have ended, the two persons are different people for ever."""
    scene, person = one_person()
    effect, _ = scene.association.carry_out(
        Split(person, tracks=(WEST,)), Named(person)
    )
    scene.play(41, 45, lambda _: TOGETHER)
    scene.play(46, 46, lambda _: [])
    back = [Seen("east", 7, 0.0, looks=1), Seen("west", 7, 0.1, looks=1)]
    scene.play(47, 160, lambda _: back)
    assert scene.live.constraints.told_apart(person, effect.other_global_id)
    gone = {one.other_global_id for one in scene.events if one.kind is EventKind.MERGED}
    assert not {person, effect.other_global_id} <= gone | {person}


def test_a_split_undoes_a_merge() -> None:
    """The merged identity gets back its id, its track and its sightings."""
    scene, first, second = two_persons()
    _, changes = scene.association.carry_out(Merge(first, second), Named(first, second))
    scene.play(41, 50, lambda _: APART)
    effect, undone = scene.association.carry_out(
        Split(first, merged_global_id=second),
        Named(first, first, former_of(changes, second)),
    )
    assert effect.regained == (second, first)
    assert [
        (one.kind, one.global_id, one.other_global_id) for one in undone.events
    ] == [(EventKind.SPLIT, first, second)]
    held = persons_of(scene.play(51, 60, lambda _: APART))
    assert held == {("east", 1): first, ("west", 1): second}
    records = scene.live.records_of(scene.live.persons[second])
    assert records["west"].detections == 60


def test_an_undone_merge_gives_back_what_has_ended_since() -> None:
    """Of a track that ended, the identity gets back what it had when it was merged."""
    scene, first, second = two_persons()
    _, changes = scene.association.carry_out(Merge(first, second), Named(first, second))
    scene.play(41, 50, lambda _: APART)
    scene.play(51, 51, lambda _: APART[:1])
    scene.association.carry_out(
        Split(first, merged_global_id=second),
        Named(first, first, former_of(changes, second)),
    )
    persons = scene.live.persons
    assert persons[second].cameras["west"].detections == 40
    assert persons[first].cameras["west"].detections == 10
    assert isinstance(persons[first].cameras["west"], CameraRecord)


def test_a_rejected_track_is_somebody_new_and_never_that_person() -> None:
    """A track that was taken from a person does not come back to them."""
    scene, person = one_person()
    effect, _ = scene.association.carry_out(Reject(person, WEST), Named(person))
    assert effect.global_id != person
    held = persons_of(scene.play(41, 140, lambda _: TOGETHER))
    assert held["east", 1] == person
    assert held["west", 1] != person


def test_a_confirmed_track_moves_and_stays() -> None:
    """A track goes to the person that an operator names, against the floor."""
    scene, first, second = two_persons()
    effect, changes = scene.association.carry_out(Confirm(first, WEST), Named(first))
    assert effect.global_id == first
    # Nothing else was known of the second.
    assert [one.kind for one in changes.events] == [EventKind.MERGED]
    held = persons_of(scene.play(41, 140, lambda _: APART))
    assert set(held.values()) == {first}
    assert second not in scene.live.persons


def test_feedback_against_earlier_feedback_needs_the_word_replace() -> None:
    """What was said is only taken back on purpose."""
    scene, person = one_person()
    scene.association.carry_out(Confirm(person, WEST), Named(person))
    with pytest.raises(InvalidInput) as caught:
        scene.association.carry_out(Reject(person, WEST), Named(person))
    assert caught.value.field == "track"
    effect, _ = scene.association.carry_out(
        Reject(person, WEST, replace=True), Named(person)
    )
    other = effect.global_id
    with pytest.raises(InvalidInput) as caught:
        scene.association.carry_out(Merge(person, other), Named(person, other))
    assert caught.value.field == "other_global_id"
    with pytest.raises(InvalidInput):
        scene.association.carry_out(Confirm(person, WEST), Named(person))
    effect, _ = scene.association.carry_out(
        Merge(person, other, replace=True), Named(person, other)
    )
    assert not scene.live.constraints.told_apart(person, other)
    assert persons_of(scene.play(41, 50, lambda _: TOGETHER)) == {
        ("east", 1): person,
        ("west", 1): person,
    }


@pytest.mark.parametrize(
    "command",
    [Confirm(GlobalId(1), key("east", 9)), Reject(GlobalId(1), key("east", 9))],
)
def test_a_track_that_is_not_live_is_not_found(command: Confirm | Reject) -> None:
    """The error names the field."""
    scene, first, _ = two_persons()
    with pytest.raises(NotFound) as caught:
        scene.association.carry_out(command, Named(first))
    assert caught.value.field == "track"


def test_a_person_cannot_be_parted_from_all_that_is_known() -> None:
    """Rejecting the only track of a person is refused."""
    scene, first, _ = two_persons()
    with pytest.raises(InvalidInput) as caught:
        scene.association.carry_out(Reject(first, EAST), Named(first))
    assert caught.value.field == "track"
    with pytest.raises(InvalidInput) as caught:
        scene.association.carry_out(Split(first, tracks=(WEST,)), Named(first))
    assert caught.value.field == "tracks[0]"


def test_another_session_keeps_who_is_different() -> None:
    """Tracks of the old session end, and their persons stay apart."""
    scene, person = one_person()
    effect, _ = scene.association.carry_out(Reject(person, WEST), Named(person))
    state = encode_live(scene.live, scene.live.persons)
    live = decode_live(state, SessionId("next"), {}, ())
    assert live.constraints.told_apart(person, effect.global_id)
    fresh, _ = live.constraints.take_unstored()
    assert fresh


def test_two_confirmed_tracks_that_meet_are_two_people() -> None:
    """What one camera sees at once outweighs an operator."""
    scene = Scene()
    first = persons_of(scene.play(1, 20, lambda _: [Seen("east", 1, 0.0)]))["east", 1]
    scene.play(21, 21, lambda _: [Seen("east", 1, 0.0, coasted=True)])
    turn = [Seen("east", 1, 0.0, coasted=True), Seen("east", 2, 0.5)]
    scene.play(22, 25, lambda _: turn)
    for track in (1, 2):
        scene.association.carry_out(Confirm(first, key("east", track)), Named(first))
    answer = scene.show(tick(26, [Seen("east", 1, 0.0), Seen("east", 2, 3.0)]))
    held = persons_of(answer)
    assert held["east", 1] == first != held["east", 2]
