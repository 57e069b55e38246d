"""How well cameras agree about where people stand."""

import pytest

from demo.agreement import all_free_m, all_hidden_m, floor_agreement
from demo.observation import people_from_identities
from spoton.common.v1 import events_pb2
from spoton.reid.v1 import reid_pb2

PEOPLE = people_from_identities(
    [
        reid_pb2.Identity(global_id=11, label=1),
        reid_pb2.Identity(global_id=12, label=2, merged_into=11),
        reid_pb2.Identity(global_id=13, label=3),
    ]
)

Track = tuple[int, tuple[float, float, float, float], tuple[float, float]]
"""Global id, box in pixels, position in metres."""


def _camera(
    update: events_pb2.TrackingUpdate, camera_id: str, tracks: list[Track]
) -> None:
    camera = update.cameras.add()
    camera.frame.camera_id = camera_id
    camera.frame_size.width, camera.frame_size.height = 640, 480
    for global_id, (x_min, y_min, x_max, y_max), (x_m, y_m) in tracks:
        track = camera.tracks.add(global_id=global_id)
        track.box.x_min, track.box.y_min = x_min, y_min
        track.box.x_max, track.box.y_max = x_max, y_max
        track.position.point.x_m, track.position.point.y_m = x_m, y_m


FREE = (100.0, 100.0, 150.0, 250.0)


def _pair(one: Track, two: Track) -> events_pb2.TrackingUpdate:
    update = events_pb2.TrackingUpdate()
    _camera(update, "west", [two])
    _camera(update, "east", [one])
    return update


def test_distances_of_one_person_are_gathered_by_cameras() -> None:
    """Also under an id that was merged into another; cameras come by name."""
    updates = [
        _pair((11, FREE, (1.0, 2.0)), (12, FREE, (1.3, 2.4))),
        _pair((11, FREE, (1.0, 2.0)), (11, FREE, (1.0, 2.1))),
    ]
    (pair,) = floor_agreement(updates, PEOPLE)
    assert pair.camera_ids == ("east", "west")
    assert pair.free_m.tolist() == pytest.approx([0.5, 0.1])
    assert not len(pair.hidden_m)


@pytest.mark.parametrize(
    "box",
    [
        (0.0, 100.0, 50.0, 250.0),
        (590.0, 100.0, 639.0, 250.0),
        (100.0, 300.0, 150.0, 480.0),
    ],
    ids=["left", "right", "below"],
)
def test_a_box_cut_by_the_border_hides_feet(
    box: tuple[float, float, float, float],
) -> None:
    """Its lower edge, or its middle, is somewhere else."""
    agreement = floor_agreement(
        [_pair((11, box, (0, 0)), (11, FREE, (3.0, 4.0)))], PEOPLE
    )
    assert all_free_m(agreement).tolist() == []
    assert all_hidden_m(agreement).tolist() == [5.0]


def test_feet_behind_somebody_nearer_are_hidden() -> None:
    """And those of the nearer one are free."""
    update = events_pb2.TrackingUpdate()
    nearer = (110.0, 150.0, 170.0, 330.0)
    tracks: list[Track] = [(11, FREE, (0, 0)), (13, nearer, (5, 5))]
    _camera(update, "east", tracks)
    _camera(update, "west", [(11, FREE, (1.0, 0)), (13, (300, 9, 350, 99), (5, 7))])
    agreement = floor_agreement([update], PEOPLE)
    assert all_hidden_m(agreement).tolist() == [1.0]
    assert all_free_m(agreement).tolist() == [2.0]


def test_what_says_nothing_about_two_cameras_is_left_out() -> None:
    """Predicted boxes, unknown persons, no position, twice in one camera, others."""
    update = events_pb2.TrackingUpdate()
    _camera(update, "east", [(11, FREE, (0, 0)), (12, FREE, (9, 9)), (0, FREE, (0, 0))])
    _camera(update, "west", [(11, FREE, (0, 0)), (13, FREE, (0, 0)), (0, FREE, (0, 0))])
    update.cameras[1].tracks[0].coasted = True
    _camera(update, "roof", [(11, FREE, (0, 0))])
    update.cameras[2].tracks[0].ClearField("position")
    _camera(update, "door", [])
    assert floor_agreement([update], PEOPLE) == ()
