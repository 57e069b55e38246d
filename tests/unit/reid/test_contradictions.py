"""What happens when a tracker takes one person for another."""

from collections.abc import Callable

import numpy as np
import pytest

from services.common.ids import GlobalId
from services.reid.domain.evidence import Placement, distance_evidence
from services.reid.domain.values import EventKind
from tests.unit.reid.scenes import CONFIG, Scene, Seen, persons_of

FAR_M = 8.0


def swapping(at: int) -> Callable[[int], list[Seen]]:
    """Return two people in two cameras, whose tracks change places in one."""

    def seen(number: int) -> list[Seen]:
        first, second = (0.0, FAR_M) if number < at else (FAR_M, 0.0)
        return [
            Seen("east", 1, 0.0),
            Seen("east", 2, FAR_M),
            Seen("west", 1, first),
            Seen("west", 2, second),
        ]

    return seen


def test_tracks_that_changed_places_get_their_persons_back() -> None:
    """After a swap in one camera, the other camera's floor evidence repairs it."""
    scene = Scene()
    before = persons_of(scene.play(1, 60, swapping(61)))
    assert before["west", 1] == before["east", 1]
    after = persons_of(scene.play(61, 100, swapping(61)))
    assert after["west", 1] == before["west", 2] == after["east", 2]
    assert after["west", 2] == before["west", 1] == after["east", 1]
    kinds = [event.kind for event in scene.events]
    assert kinds.count(EventKind.CREATED) - kinds.count(EventKind.MERGED) == 2


def test_a_track_far_from_its_person_leaves_soon() -> None:
    """A track that jumps away from two others is somebody else within two seconds."""
    scene = Scene()

    def jumping(number: int) -> list[Seen]:
        away = FAR_M if number > 60 else 0.0
        return [Seen("east", 1, 0.0), Seen("north", 1, 0.0), Seen("west", 1, away)]

    before = persons_of(scene.play(1, 60, jumping))
    assert len(set(before.values())) == 1
    after = persons_of(scene.play(61, 80, jumping))
    assert after["east", 1] == after["north", 1] == before["east", 1]
    assert after["west", 1] != before["west", 1]


def test_a_track_joins_the_person_where_it_stands() -> None:
    """A confirmed track that goes on as somebody known takes that person's id."""
    scene = Scene()

    def drifting(number: int) -> list[Seen]:
        west = FAR_M if number > 60 else 0.0
        return [
            Seen("east", 1, 0.0),
            Seen("east", 2, FAR_M),
            Seen("north", 1, 0.0),
            Seen("west", 1, west),
        ]

    before = persons_of(scene.play(1, 60, drifting))
    assert before["west", 1] == before["north", 1] == before["east", 1]
    after = persons_of(scene.play(61, 100, drifting))
    assert after["west", 1] == after["east", 2] == before["east", 2]
    assert EventKind.SPLIT in [event.kind for event in scene.events]


def test_who_once_met_may_be_one_when_the_floor_says_so() -> None:
    """A camera that saw two tracks at once can be proven to have mixed them up.

    Standing at one place is not enough for that; walking together is.
    """
    scene = Scene()

    def both(_: int) -> list[Seen]:
        return [
            Seen("east", 1, 0.0),
            Seen("west", 1, 0.0),
            Seen("west", 2, FAR_M),
        ]

    before = persons_of(scene.play(1, 60, both))
    assert before["west", 2] != before["east", 1]

    def walking(number: int) -> list[Seen]:
        x_m = 0.14 * max(0, number - 70)
        return [Seen("east", 1, x_m), Seen("west", 2, x_m)]

    after = persons_of(scene.play(61, 150, walking))
    assert after["west", 2] == after["east", 1] == before["east", 1]


@pytest.mark.parametrize("away", ["east", "west"])
def test_contradicting_positions_are_never_averaged(away: str) -> None:
    """While a person's tracks disagree, the person stands where one of them is."""
    scene = Scene()

    def jumping(number: int) -> list[Seen]:
        far = FAR_M if number > 60 else 0.0
        return [
            Seen(camera, 1, far if camera == away else 0.0)
            for camera in ("east", "west")
        ]

    scene.play(1, 90, jumping)
    for answer in scene.answers[10:]:
        for person in answer.persons:
            assert person.fix is not None
            assert min(abs(person.fix.x_m), abs(person.fix.x_m - FAR_M)) < 0.5


def test_a_person_who_goes_on_elsewhere_is_not_dragged_there() -> None:
    """A position far from where the person was begins the motion anew."""
    scene = Scene()
    scene.play(1, 30, lambda _: [Seen("east", 1, 0.0)])
    answer = scene.play(31, 31, lambda _: [Seen("east", 1, 20.0, sigma_m=0.1)])
    (person,) = answer.persons
    assert person.global_id == GlobalId(1001)
    assert person.fix is not None
    assert min(abs(person.fix.x_m), abs(person.fix.x_m - 20.0)) < 5.0


def test_only_a_real_distance_is_strong_evidence() -> None:
    """Overconfident positions near each other say less than distant ones."""
    points = np.array([[0.0, 0.0], [1.5, 0.0], [2.5, 0.0]])
    spread = np.tile(np.eye(2) * 0.01, (3, 1, 1))
    evidence = distance_evidence(
        Placement(
            points,
            spread,
            np.ones((3, 3), np.bool_),
            np.zeros(3),
            np.zeros((3, 3, 2)),
            np.zeros((3, 3)),
        ),
        CONFIG,
    )
    assert evidence[0, 1] == -CONFIG.floor_evidence_limit
    assert evidence[0, 2] == -CONFIG.contradiction_limit
