"""People in several tiles are found once, and neighbours stay apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detector.domain.detections import Detections, concatenate, suppress
from services.detector.domain.geometry import Region, Size, clip
from services.detector.domain.merge import merge_tiles

FRAME = Size(180, 100)
LEFT, RIGHT = Region(0, 0, 100, 100), Region(80, 0, 180, 100)


def people(*boxes: tuple[float, ...], scores: tuple[float, ...] = ()) -> Detections:
    """Return detections without keypoints; scores fall from 0.9 unless given."""
    array = np.array(boxes, np.float32).reshape(-1, 4)
    values = scores or tuple(0.9 - 0.1 * i for i in range(len(boxes)))
    keypoints = np.zeros((len(boxes), 0, 3), np.float32)
    return Detections(array, np.array(values, np.float32), keypoints)


def merged(left: Detections, right: Detections) -> list[list[float]]:
    """Return the boxes of two tiles, merged."""
    return merge_tiles([left, right], [LEFT, RIGHT], FRAME).boxes_px.tolist()


def test_person_cut_by_a_border_is_one() -> None:
    """A person whom one tile saw whole and the other in part keeps the whole box."""
    whole, part = (60, 20, 95, 90), (80, 21, 94, 89)
    right = people(part, scores=(0.99,))
    assert merged(people(whole), right) == [list(whole)]


def test_person_cut_by_both_borders_is_joined() -> None:
    """Of a person wider than the overlap, both parts make one box."""
    assert merged(people((70, 20, 100, 90)), people((80, 20, 112, 88))) == [
        [70, 20, 112, 90]
    ]


def test_person_in_the_overlap_is_one() -> None:
    """A person whom both tiles saw whole is found once, with the better score."""
    left, right = people((84, 20, 96, 60)), people((83, 20, 96, 61), scores=(0.95,))
    found = merge_tiles([left, right], [LEFT, RIGHT], FRAME)
    assert found.boxes_px.tolist() == [[83, 20, 96, 61]]
    assert found.scores.tolist() == pytest.approx([0.95])


def test_neighbours_in_the_overlap_are_two() -> None:
    """Two people side by side, one seen by each tile, stay two."""
    found = merged(people((82, 20, 92, 60)), people((88, 20, 98, 60)))
    assert len(found) == 2


def test_neighbours_at_a_border_are_two() -> None:
    """A person at a border and one beside it are not taken for one."""
    found = merged(people((60, 20, 88, 90)), people((86, 20, 110, 90)))
    assert len(found) == 2


def test_model_tells_people_of_one_tile_apart() -> None:
    """Boxes of one tile are kept, however much they overlap."""
    found = merged(people((10, 10, 30, 60), (12, 10, 32, 60)), people())
    assert len(found) == 2


def test_edge_of_the_frame_cuts_nobody() -> None:
    """At the frame's edge there is nothing to compare with."""
    upper, lower = Region(0, 0, 100, 60), Region(0, 40, 100, 100)
    tall = people((0, 0, 20, 50))
    seated = people((0, 42, 20, 58))
    found = merge_tiles([tall, seated], [upper, lower], Size(100, 100))
    assert len(found) == 2


def test_joined_person_has_the_best_keypoints() -> None:
    """Each body part comes from the tile that saw it best."""
    left = Detections(
        np.array([[70, 20, 100, 90]], np.float32),
        np.array([0.5], np.float32),
        np.array([[[75, 30, 0.9], [99, 40, 0.1]]], np.float32),
    )
    right = Detections(
        np.array([[80, 20, 112, 90]], np.float32),
        np.array([0.4], np.float32),
        np.array([[[81, 30, 0.2], [105, 40, 0.8]]], np.float32),
    )
    found = merge_tiles([left, right], [LEFT, RIGHT], FRAME)
    assert found.keypoints_px[0, :, 0].tolist() == [75, 105]


def test_nothing_found_is_nothing() -> None:
    """Empty tiles merge to an empty frame."""
    assert merged(people(), people()) == []


def test_boxes_end_at_the_frame() -> None:
    """A box that reaches out of the frame is clipped; one outside is dropped."""
    found = merge_tiles(
        [people((-5, 10, 20, 120), (200, 10, 220, 40))],
        [Region(0, 0, 180, 100)],
        FRAME,
    )
    assert found.boxes_px.tolist() == [[0, 10, 20, 100]]


@settings(deadline=None)
@given(
    lefts=st.lists(st.integers(0, 160), max_size=6, unique_by=lambda x: x // 20),
    width=st.integers(8, 18),
)
def test_people_apart_are_all_found_once(lefts: list[int], width: int) -> None:
    """However people who do not overlap stand, each is found exactly once."""
    lefts = sorted(lefts)
    lefts = [
        x
        for x, before in zip(lefts, [-99, *lefts], strict=False)
        if x - before >= width
    ]
    truth = np.array([(x, 20, x + width, 80) for x in lefts], np.float32).reshape(-1, 4)
    seen = []
    for region in (LEFT, RIGHT):
        bounds = np.array([region.x_min, 0, region.x_max, 100], np.float32)
        visible = clip(truth, bounds)
        visible = visible[visible[:, 2] - visible[:, 0] > 1]
        seen.append(people(*map(tuple, visible.tolist())))
    found = merge_tiles(seen, [LEFT, RIGHT], FRAME).boxes_px
    assert sorted(found.tolist()) == truth.tolist()


def test_suppress_keeps_the_best() -> None:
    """Of boxes on one heap the best stays; others stay too."""
    found = suppress(people((0, 0, 10, 10), (1, 0, 11, 10), (50, 0, 60, 10)))
    assert found.boxes_px[:, 0].tolist() == [0, 50]


def test_to_frame_scales_and_moves() -> None:
    """Boxes and keypoints of a scaled tile land in the frame; scores stay."""
    found = Detections(
        np.array([[10, 10, 20, 30]], np.float32),
        np.array([0.5], np.float32),
        np.array([[[15, 12, 0.7]]], np.float32),
    )
    placed = found.to_frame(Size(50, 50), Region(80, 0, 180, 100))
    assert placed.boxes_px.tolist() == [[100, 20, 120, 60]]
    np.testing.assert_allclose(placed.keypoints_px, [[[110, 24, 0.7]]])
    assert concatenate([placed, Detections.none(1)]).scores.tolist() == [0.5]
