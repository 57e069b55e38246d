"""What the association does, and says, when something is wrong."""

from collections.abc import Sequence

import numpy as np
import pytest

from services.reid.domain.suspicions import Suspicion, SuspicionKind
from services.reid.service.alarm import Alarm
from tests.unit.reid.scenes import CONFIG, Scene, Seen, persons_of

STEP_M = 0.12
"""Way of a walker between two ticks."""


def walk(number: int) -> float:
    """Return where somebody is who walks up and down a corridor of 12 m."""
    return abs((STEP_M * number) % 24.0 - 12.0)


def pairs_of(
    scene: Scene,
    last: int,
    *,
    lag: int = 0,
    bias_m: float = 0.0,
    seen_well: bool = False,
) -> None:
    """Show one walker and one who stands to two cameras.

    Args:
        scene: Where.
        last: Number of ticks.
        lag: Ticks by which the second camera is late.
        bias_m: How far off the second camera's floor is.
        seen_well: Whether appearance can tell them.
    """
    first, second = (1, 2) if seen_well else (None, None)

    def seen(number: int) -> Sequence[Seen]:
        return [
            Seen("east", 1, walk(number), looks=first),
            Seen("west", 1, walk(max(1, number - lag)) + bias_m, looks=first),
            Seen("east", 2, 3.0, 7.0, looks=second),
            Seen("west", 2, 3.0 + bias_m, 7.0, looks=second),
        ]

    scene.play(1, last, seen)


def test_nothing_is_suspected_where_nothing_is_wrong() -> None:
    """Two cameras that agree raise no suspicion, and people keep one id each."""
    scene = Scene()
    pairs_of(scene, 400)
    assert scene.association.suspicions() == ()
    assert len(set(persons_of(scene.answers[-1]).values())) == 2


def test_a_wrong_calibration_is_told_and_outlived() -> None:
    """A floor that is off by more than a metre is learned, and suspected."""
    scene = Scene()
    pairs_of(scene, 400, bias_m=1.3, seen_well=True)
    assert Suspicion(SuspicionKind.FLOORS_DISAGREE, "east+west") in (
        scene.association.suspicions()
    )
    persons = persons_of(scene.answers[-1])
    assert persons["east", 1] == persons["west", 1] != persons["east", 2]
    (floor,) = scene.live.floors.of_pair.values()
    offset_m, _ = floor.expected(np.array([3.0, 7.0]), CONFIG)
    assert offset_m[0] == pytest.approx(1.3, abs=0.3)


def test_a_late_clock_is_told() -> None:
    """A camera that is most of a second late is suspected by who walks."""
    scene = Scene()
    pairs_of(scene, 600, lag=8)
    kinds = {one.kind for one in scene.association.suspicions()}
    assert SuspicionKind.CLOCKS_DISAGREE in kinds


def test_a_camera_that_repeats_itself_is_told_until_it_moves() -> None:
    """The same boxes for seconds are suspected, a new one ends that."""
    scene = Scene()
    still = [Seen("east", 1, 0.0, x_px=500.0)]
    scene.play(1, 40, lambda _: still)
    assert scene.association.suspicions() == ()
    scene.play(41, 80, lambda _: still)
    frozen = Suspicion(SuspicionKind.CAMERA_REPEATS, "east")
    assert scene.association.suspicions() == (frozen,)
    scene.play(81, 81, lambda _: [Seen("east", 1, 0.0, x_px=501.0)])
    assert scene.association.suspicions() == ()


def test_an_embedder_that_answers_one_vector_loses_its_weight() -> None:
    """With the same vector for everybody, the floor decides, and it is told."""
    scene = Scene()

    def alike(number: int) -> list[Seen]:
        return [
            Seen(camera, person, 4.0 * person + 0.1 * walk(number), looks=1)
            for camera in ("east", "west")
            for person in range(1, 6)
        ]

    scene.play(1, 900, alike)
    assert scene.association.suspicions() == (
        Suspicion(SuspicionKind.EMBEDDER_TELLS_NOTHING),
    )
    persons = persons_of(scene.answers[-1])
    assert len(set(persons.values())) == 5
    assert all(persons["east", one] == persons["west", one] for one in range(1, 6))


def test_people_in_one_uniform_are_kept_apart_by_where_they_stand() -> None:
    """Two who look the same are two where the floor, or a camera, sees two."""
    scene = Scene()

    def uniformed(number: int) -> list[Seen]:
        along_m = 0.5 * walk(number)
        return [
            Seen(camera, person, along_m, 6.0 * person, looks=1 if person < 3 else 3)
            for camera in ("east", "west")
            for person in (1, 2, 3)
        ]

    persons = persons_of(scene.play(1, 200, uniformed))
    assert persons["east", 1] == persons["west", 1]
    assert persons["east", 2] == persons["west", 2]
    assert len(set(persons.values())) == 3


def test_a_poster_stays_who_it_is() -> None:
    """A picture that never moves is nobody who walks past looking like it."""
    scene = Scene()

    def poster(number: int) -> list[Seen]:
        return [
            Seen("east", 1, 5.0, 4.0, looks=1, x_px=800.0),
            Seen("east", 2, walk(number), 0.0, looks=1, x_px=100.0 * walk(number)),
        ]

    persons = persons_of(scene.play(1, 200, poster))
    assert persons["east", 1] != persons["east", 2]
    assert all(persons_of(one) == persons for one in scene.answers)


def test_an_alarm_is_a_metric_while_it_lasts() -> None:
    """A suspicion sets the gauge, and its end clears it."""
    from services.reid.observe import SUSPICIONS

    alarm = Alarm("somewhere")
    labels = ("somewhere", "camera_repeats", "east")
    alarm.sound([Suspicion(SuspicionKind.CAMERA_REPEATS, "east")])
    assert SUSPICIONS.labels(*labels)._value.get() == 1
    alarm.sound([])
    assert SUSPICIONS.labels(*labels)._value.get() == 0
