"""Two tracks seen at once by one camera are never the same person."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.reid.scenes import Scene, Seen, key, tick

sightings = st.builds(
    Seen,
    camera=st.sampled_from(["east", "north", "west"]),
    track=st.integers(1, 4),
    x_m=st.none() | st.floats(0.0, 3.0),
    y_m=st.floats(0.0, 1.0),
    looks=st.none() | st.integers(1, 3),
    coasted=st.booleans(),
)
frames = st.lists(sightings, max_size=9, unique_by=lambda one: (one.camera, one.track))


@settings(max_examples=40, deadline=None)
@given(st.lists(frames, min_size=1, max_size=15))
def test_no_camera_sees_one_person_twice(script: list[list[Seen]]) -> None:
    """Whatever the evidence, tracks of one frame have different ids, or none."""
    scene = Scene()
    for number, seen in enumerate(script, start=1):
        answer = scene.show(tick(number, seen), only_wanted=False)
        supported = {key(one.camera, one.track) for one in seen if not one.coasted}
        held = Counter(
            (one.key.camera_id, one.global_id)
            for one in answer.assignments
            if one.global_id
        )
        assert all(times == 1 for times in held.values())
        assert all(
            one.global_id > 0 for one in answer.assignments if one.key in supported
        )


@settings(max_examples=15, deadline=None)
@given(st.lists(frames, min_size=1, max_size=12))
def test_the_same_ticks_give_the_same_answers(script: list[list[Seen]]) -> None:
    """Processing a recording twice gives the same assignments and events."""
    first, second = Scene(), Scene()
    for number, seen in enumerate(script, start=1):
        one = tick(number, seen)
        assert first.show(one) == second.show(one)
