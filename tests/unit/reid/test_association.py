"""Who is who, in scripted scenes."""

from dataclasses import replace

import pytest

from services.common.ids import GlobalId
from services.reid.domain.values import EventKind, Tick
from tests.unit.reid.scenes import (
    CONFIG,
    Scene,
    Seen,
    key,
    labels_of,
    persons_of,
    tick,
)


def two_cameras(_: int) -> list[Seen]:
    """Two people stand in the view of two cameras with a bias of 0.2 m."""
    return [
        Seen("east", 1, 1.0),
        Seen("east", 2, 5.0),
        Seen("west", 1, 5.2),
        Seen("west", 2, 1.2),
    ]


def crossing(number: int) -> list[Seen]:
    """Two people walk towards and past each other, a metre apart, in two cameras."""
    x_m = -4.0 + 0.14 * number
    return [
        Seen("east", 1, x_m, 0.0, looks=1),
        Seen("east", 2, -x_m, 1.0, looks=2),
        Seen("west", 1, x_m + 0.15, 0.1, looks=1),
        Seen("west", 2, -x_m + 0.15, 1.1, looks=2),
    ]


def test_overlapping_cameras_are_joined_by_the_floor() -> None:
    """Tracks at one place in two cameras become one person, by geometry alone."""
    scene = Scene()
    persons = persons_of(scene.play(1, 20, two_cameras))
    assert persons["east", 1] == persons["west", 2]
    assert persons["east", 2] == persons["west", 1]
    assert len(set(persons.values())) == 2


def test_an_identity_is_published_at_once_and_provisional_first() -> None:
    """The first tick names persons, and none of them is final."""
    scene = Scene()
    first = scene.play(1, 1, two_cameras)
    assert all(one.global_id > 0 for one in first.assignments)
    assert all(one.provisional for one in first.assignments)
    last = scene.play(2, 30, two_cameras)
    assert not any(one.provisional for one in last.assignments)


def test_people_who_cross_keep_their_ids() -> None:
    """Nobody changes id while two people pass each other."""
    scene = Scene()
    scene.play(1, 60, crossing)
    confirmed = [persons_of(answer) for answer in scene.answers[15:]]
    assert all(persons == confirmed[0] for persons in confirmed)
    assert confirmed[0]["east", 1] == confirmed[0]["west", 1]
    assert confirmed[0]["east", 2] == confirmed[0]["west", 2]


def test_one_close_frame_proves_nothing() -> None:
    """People who meet in one frame and part are two, whatever was said first."""
    scene = Scene()

    def parting(number: int) -> list[Seen]:
        return [Seen("east", 1, 0.0), Seen("west", 1, 0.3 * number)]

    persons = persons_of(scene.play(1, 40, parting))
    assert persons["east", 1] != persons["west", 1]


def test_appearance_decides_without_a_floor() -> None:
    """Tracks without positions are joined by what they look like."""
    scene = Scene()

    def unlocated(_: int) -> list[Seen]:
        return [
            Seen("east", 1, looks=1),
            Seen("east", 2, looks=2),
            Seen("west", 1, looks=2),
            Seen("west", 2, looks=1),
        ]

    persons = persons_of(scene.play(1, 20, unlocated))
    assert persons["east", 1] == persons["west", 2]
    assert persons["east", 2] == persons["west", 1]


@pytest.mark.parametrize("switch", ["use_floor", "use_appearance"])
def test_evidence_that_is_switched_off_counts_nothing(switch: str) -> None:
    """What contradicts the other kind of evidence is not heard when it is off."""
    scene = Scene(replace(CONFIG, **{switch: False}))

    def contradictory(_: int) -> list[Seen]:
        return [
            Seen("east", 1, 0.0, looks=1),
            Seen("east", 2, 9.0, looks=2),
            Seen("west", 1, 0.0, looks=2),
            Seen("west", 2, 9.0, looks=1),
        ]

    persons = persons_of(scene.play(1, 20, contradictory))
    partner = 2 if switch == "use_floor" else 1
    assert persons["east", 1] == persons["west", partner]


def test_who_returns_is_recognised_by_appearance() -> None:
    """A person who comes back elsewhere has the old id, and an event says so."""
    scene = Scene()
    before = scene.play(1, 30, lambda _: [Seen("east", 1, 0.0, looks=1)])
    scene.play(31, 120, lambda _: [])
    after = scene.play(121, 160, lambda _: [Seen("east", 2, 8.0, looks=1)])
    assert persons_of(after)["east", 2] == persons_of(before)["east", 1]
    kinds = [event.kind for event in scene.events]
    assert kinds.count(EventKind.RETURNED) == 1


def test_a_stranger_is_nobody_who_left() -> None:
    """Somebody who looks different gets an id of their own."""
    scene = Scene()
    before = scene.play(1, 30, lambda _: [Seen("east", 1, 0.0, looks=1)])
    scene.play(31, 60, lambda _: [])
    after = scene.play(61, 100, lambda _: [Seen("east", 2, 0.0, looks=2)])
    assert persons_of(after)["east", 2] != persons_of(before)["east", 1]


def test_nobody_returns_faster_than_people_run() -> None:
    """A look-alike 40 m away half a second later is somebody else."""
    scene = Scene()
    before = scene.play(1, 30, lambda _: [Seen("east", 1, 0.0, looks=1)])
    scene.play(31, 35, lambda _: [])
    after = scene.play(36, 70, lambda _: [Seen("west", 1, 40.0, looks=1)])
    assert persons_of(after)["west", 1] != persons_of(before)["east", 1]


def test_a_track_that_breaks_goes_on_as_the_same_person() -> None:
    """A new track at the place where one just ended keeps the id, without looks."""
    scene = Scene()
    before = scene.play(1, 30, lambda number: [Seen("east", 1, 0.1 * number)])
    after = scene.play(33, 60, lambda number: [Seen("east", 2, 0.1 * number)])
    assert persons_of(after)["east", 2] == persons_of(before)["east", 1]


def test_two_ids_of_one_person_merge_into_the_older() -> None:
    """Persons who turn out to be one are merged, with an event that says which."""
    scene = Scene()
    far = scene.play(1, 30, lambda _: [Seen("east", 1, 0.0), Seen("west", 1)])
    one, other = persons_of(far)["east", 1], persons_of(far)["west", 1]
    assert one != other
    near = scene.play(31, 70, lambda _: [Seen("east", 1, 0.0), Seen("west", 1, 0.1)])
    survivor = persons_of(near)["east", 1]
    assert survivor == persons_of(near)["west", 1] == min(one, other)
    (merged,) = [one for one in scene.events if one.kind is EventKind.MERGED]
    assert (merged.global_id, merged.other_global_id) == (survivor, max(one, other))
    departed = [one for each in scene.changes for one in each.departed.items()]
    assert [(away, who.merged_into) for away, who in departed] == [
        (max(one, other), survivor)
    ]


def test_a_wrong_match_is_split_when_the_tracks_part() -> None:
    """Confirmed tracks that walk apart become two persons again."""
    scene = Scene()

    def parting(number: int) -> list[Seen]:
        return [Seen("east", 1, 0.0), Seen("west", 1, max(0.0, 0.12 * (number - 40)))]

    joined = scene.play(1, 40, parting)
    assert len(set(persons_of(joined).values())) == 1
    apart = scene.play(41, 140, parting)
    assert len(set(persons_of(apart).values())) == 2
    assert EventKind.SPLIT in [event.kind for event in scene.events]


def test_tracks_that_took_turns_part_when_seen_at_once() -> None:
    """A fragment that joined a silent track's person leaves when both are seen.

    Until then only the fragment is shown as that person.
    """
    scene = Scene()
    before = persons_of(scene.play(1, 30, lambda _: [Seen("east", 1, 0.0)]))

    def turns(number: int) -> list[Seen]:
        silent = Seen("east", 1, 0.0, coasted=number < 60)
        return [silent, Seen("east", 2, 0.1)]

    joined = persons_of(scene.play(31, 59, turns))
    assert joined[key("east", 2)] == before[key("east", 1)]
    assert joined[key("east", 1)] == GlobalId(0)
    apart = scene.play(60, 60, turns)
    assert len(set(persons_of(apart).values())) == 2
    assert EventKind.SPLIT in [event.kind for event in scene.events]


def test_the_order_of_cameras_and_tracks_means_nothing() -> None:
    """A tick with its cameras and tracks reversed gives the same labels."""
    forward, backward = Scene(), Scene()

    def reversed_(one: Tick) -> Tick:
        return replace(
            one,
            cameras=tuple(
                replace(camera, sightings=camera.sightings[::-1])
                for camera in one.cameras[::-1]
            ),
        )

    for number in range(1, 40):
        one = tick(number, crossing(number))
        assert labels_of(forward.show(one)) == labels_of(backward.show(reversed_(one)))


def test_coasting_tracks_say_nothing() -> None:
    """A predicted box keeps its person and moves nobody."""
    scene = Scene()
    before = scene.play(1, 20, two_cameras)
    coasting = [
        Seen("east", 1, 30.0, coasted=True),
        Seen("east", 2, 30.0, coasted=True),
        Seen("west", 1, 5.2),
        Seen("west", 2, 1.2),
    ]
    after = scene.play(21, 25, lambda _: coasting)
    assert persons_of(after) == persons_of(before)
    assert {one.camera_ids for one in after.persons} == {("west",)}
    assert all(one.fix is not None and one.fix.x_m < 6.0 for one in after.persons)


def test_a_track_that_only_coasts_has_no_person() -> None:
    """A track that no detection ever supported is answered with id 0."""
    answer = Scene().play(1, 1, lambda _: [Seen("east", 1, 0.0, coasted=True)])
    assert [one.global_id for one in answer.assignments] == [GlobalId(0)]


def test_silent_tracks_end() -> None:
    """A track that is neither listed nor ended is over after a while."""
    scene = Scene()
    scene.show(tick(1, [Seen("east", 1, 0.0)]))
    scene.show(tick(20, [Seen("west", 1, 9.0)]))
    assert key("east", 1) in scene.live.tracks
    scene.show(tick(60, [Seen("west", 1, 9.0)]))
    assert key("east", 1) not in scene.live.tracks


def test_absent_persons_are_forgotten_in_the_end() -> None:
    """Who was away for longer than the horizon is out of the live set."""
    scene = Scene(replace(CONFIG, gallery_horizon_s=5.0))
    scene.play(1, 10, lambda _: [Seen("east", 1, 0.0)])
    scene.play(11, 20, lambda _: [])
    assert len(scene.live.persons) == 1
    scene.play(80, 81, lambda _: [])
    assert not scene.live.persons


def test_positions_are_filtered_and_carry_a_velocity() -> None:
    """A walker's fused position and velocity come out of two biased cameras."""
    scene = Scene()
    answer = scene.play(
        1,
        40,
        lambda number: [Seen("east", 1, 0.1 * number), Seen("west", 1, 0.1 * number)],
    )
    (person,) = answer.persons
    assert person.fix is not None
    assert person.velocity_mps is not None
    assert person.fix.x_m == pytest.approx(4.0, abs=0.1)
    assert person.velocity_mps[0] == pytest.approx(1.0, abs=0.1)
    assert person.fix.xx_m2 < 0.04
    assert person.camera_ids == ("east", "west")
