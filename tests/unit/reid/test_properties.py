"""What holds whatever cameras, trackers and embedders report."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from services.reid.domain.values import EventKind, Tick
from tests.unit.reid.scenes import Scene, Seen, key, labels_of, tick
from tests.unit.reid.test_live_state import restarted

sightings = st.builds(
    Seen,
    camera=st.sampled_from(["east", "north", "west"]),
    track=st.integers(1, 4),
    x_m=st.none() | st.floats(0.0, 6.0),
    y_m=st.floats(0.0, 1.0),
    looks=st.none() | st.integers(1, 3),
    coasted=st.booleans(),
    x_px=st.none() | st.floats(0.0, 1900.0),
)
frames = st.lists(sightings, max_size=9, unique_by=lambda one: (one.camera, one.track))
scripts = st.lists(frames, min_size=2, max_size=14)


def _ticks(script: list[list[Seen]]) -> list[Tick]:
    """Return a tick of each frame, a second apart; tracks that vanish end."""
    ticks, before = [], set()
    for number, seen in enumerate(script, start=1):
        keys = {key(one.camera, one.track) for one in seen}
        ticks.append(tick(10 * number, seen, sorted(before - keys)))
        before = keys
    return ticks


def _show(scene: Scene, one: Tick) -> str:
    return labels_of(scene.show(one, only_wanted=False))


def _backwards(one: Tick) -> Tick:
    return replace(
        one,
        cameras=tuple(
            replace(camera, sightings=camera.sightings[::-1])
            for camera in one.cameras[::-1]
        ),
    )


@settings(max_examples=30, deadline=None)
@given(scripts)
def test_the_order_of_cameras_means_nothing(script: list[list[Seen]]) -> None:
    """Cameras and tracks in any order within a tick give the same answers."""
    forward, backward = Scene(), Scene()
    for one in _ticks(script):
        assert _show(forward, one) == _show(backward, _backwards(one))


@settings(max_examples=30, deadline=None)
@given(scripts, st.integers(1, 13))
def test_a_restart_in_the_middle_changes_no_id(
    script: list[list[Seen]], crash_at: int
) -> None:
    """Ticks after a restart are answered as if there had been none."""
    ticks = _ticks(script)
    crash_at = min(crash_at, len(ticks) - 1)
    steady, shaken = Scene(), Scene()
    for one in ticks[:crash_at]:
        steady.show(one, only_wanted=False)
        shaken.show(one, only_wanted=False)
    shaken = restarted(shaken)
    for one in ticks[crash_at:]:
        assert _show(steady, one) == _show(shaken, one)
    assert steady.live.looks == shaken.live.looks


@settings(max_examples=30, deadline=None)
@given(scripts)
def test_ids_are_never_reused(script: list[list[Seen]]) -> None:
    """An id is created once, and never shown again once it was merged away."""
    scene = Scene()
    created: list[int] = []
    gone: set[int] = set()
    for one in _ticks(script):
        answer = scene.show(one, only_wanted=False)
        for event in answer.changes:
            if event.kind is EventKind.CREATED:
                created.append(event.global_id)
            if event.kind is EventKind.MERGED:
                gone.add(event.other_global_id)
        shown = {each.global_id for each in answer.assignments} - {0}
        assert shown <= set(created) - gone
    assert len(created) == len(set(created))
