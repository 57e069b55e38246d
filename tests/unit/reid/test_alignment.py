"""What two cameras show of the same walks tells whether clocks and floors agree."""

import numpy as np
import pytest

from services.common.ids import CameraId
from services.reid.domain.alignment import STEP_S, Alignment, Walkers
from services.reid.domain.suspicions import Suspicion, SuspicionKind
from tests.unit.reid.scenes import CONFIG, Scene, Seen

EAST, WEST = CameraId("east"), CameraId("west")
PAIR = (EAST, WEST)


def walkers(step: int, people: range, shift_m: float = 0.0) -> Walkers:
    """Return people on circles of different sizes, at some time."""
    radius = 2.0 + np.arange(people.start, people.stop)
    angle = 1.3 * STEP_S * step / radius + 2.0 * radius
    out = np.column_stack((np.cos(angle), np.sin(angle)))
    along = 1.3 * np.column_stack((-np.sin(angle), np.cos(angle)))
    return Walkers(step, radius[:, None] * out + (shift_m, 0.0), along)


@pytest.mark.parametrize("lag", [-6, -3, 3, 6])
def test_a_lag_between_clocks_is_found(lag: int) -> None:
    """Whose clock is ahead shows what the other showed before, whoever it was."""
    alignment = Alignment()
    for step in range(100, 160):
        seen = walkers(step - lag, range(4))
        ahead = Walkers(step, seen.points_m, seen.velocities_mps)
        alignment.look(EAST, ahead)
        alignment.look(WEST, walkers(step, range(4)))
    assert alignment.votes[PAIR].verdict() == (lag * STEP_S, 0.0)


def test_a_shift_between_floors_is_found() -> None:
    """A floor that is metres off is told from a wrong clock."""
    alignment = Alignment()
    for step in range(100, 160):
        alignment.look(WEST, walkers(step, range(4)))
        alignment.look(EAST, walkers(step, range(4), shift_m=3.0))
    verdict = alignment.votes[PAIR].verdict()
    assert verdict is not None
    assert verdict[0] == 0.0
    assert verdict[1] == pytest.approx(3.0, abs=0.6)


def test_cameras_that_agree_are_not_suspected() -> None:
    """The same walks at the same time and place mean that nothing is wrong."""
    alignment = Alignment()
    for step in range(100, 160):
        alignment.look(EAST, walkers(step, range(4)))
        alignment.look(WEST, walkers(step, range(4)))
    assert alignment.votes[PAIR].verdict() == (0.0, 0.0)


def test_cameras_that_share_nobody_tell_nothing() -> None:
    """Different people before two cameras give no verdict."""
    alignment = Alignment()
    for step in range(100, 160):
        alignment.look(EAST, walkers(step, range(2)))
        alignment.look(WEST, walkers(3 * step, range(5, 7), shift_m=40.0))
    assert alignment.votes[PAIR].verdict() is None


def test_votes_of_long_ago_are_outweighed() -> None:
    """A clock that is set right is suspected no more after some minutes."""
    alignment = Alignment()
    for step in range(100, 1500):
        lag = 6 if step < 300 else 0
        seen = walkers(step - lag, range(4))
        alignment.look(EAST, Walkers(step, seen.points_m, seen.velocities_mps))
        alignment.look(WEST, walkers(step, range(4)))
    assert alignment.votes[PAIR].verdict() == (0.0, 0.0)


def test_who_looks_alike_is_told_while_a_camera_sees_both() -> None:
    """Two in one uniform are suspected as long as both are seen at once."""
    scene = Scene()
    alike = Suspicion(SuspicionKind.PEOPLE_LOOK_ALIKE, "east")
    both = [Seen("east", 1, 0.0, looks=1), Seen("east", 2, 5.0, looks=1)]
    scene.play(1, 80, lambda _: both)
    assert alike in scene.association.suspicions()
    scene.play(81, 90, lambda _: both[:1])
    assert alike not in scene.association.suspicions()


def test_who_looks_different_is_not_suspected() -> None:
    """Two people of different looks raise no suspicion."""
    scene = Scene()
    both = [Seen("east", 1, 0.0, looks=1), Seen("east", 2, 5.0, looks=2)]
    scene.play(1, 80, lambda _: both)
    kinds = {one.kind for one in scene.association.suspicions()}
    assert SuspicionKind.PEOPLE_LOOK_ALIKE not in kinds


def test_who_never_moves_is_told_until_they_move() -> None:
    """A poster is suspected after a quarter of an hour, a step ends that."""
    scene = Scene()
    last = round(10 * CONFIG.suspect_still_s)
    never = Suspicion(SuspicionKind.SOMEBODY_NEVER_MOVES, "east")

    def shown(number: int, step_px: float = 0.0) -> list[Seen]:
        # A detector shakes; a poster does not move.
        return [Seen("east", 1, 0.0, x_px=500.0 + number // 20 % 2 + step_px)]

    scene.play(1, 10, shown)
    for number in range(20, last + 40, 20):
        scene.play(number, number, shown)
    assert never in scene.association.suspicions()
    scene.play(last + 41, last + 42, lambda number: shown(number, 60.0))
    assert never not in scene.association.suspicions()
