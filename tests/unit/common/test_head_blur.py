"""Where heads are, and what is left of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.common.head_blur import Region, blur_regions, head_region

BOX: Region = (40.0, 20.0, 80.0, 120.0)


def chequered(height: int = 160, width: int = 120) -> np.ndarray:
    """Return a picture whose neighbouring pixels differ as much as they can."""
    y, x = np.indices((height, width))
    return np.repeat(((x + y) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)


def test_without_a_face_the_upper_part_of_a_box_is_a_head() -> None:
    """It covers the box's width and a quarter of a standing person's height."""
    x_min, y_min, x_max, y_max = head_region(BOX)
    assert x_min < BOX[0]
    assert x_max > BOX[2]
    assert y_min < BOX[1]
    assert y_max == BOX[1] + 25


def test_a_person_who_lies_down_is_hidden_whole() -> None:
    """Nobody can say at which end of a wide box the head is."""
    x_min, y_min, x_max, y_max = head_region((0.0, 0.0, 100.0, 40.0))
    assert (x_min, y_min) < (0.0, 0.0)
    assert (x_max, y_max) >= (100.0, 40.0)


def test_the_points_of_a_face_say_where_it_is() -> None:
    """The region is around them, wherever the box's upper part is."""
    face = [(60.0, 100.0), (64.0, 98.0), (56.0, 98.0)]
    x_min, y_min, x_max, y_max = head_region(BOX, face)
    assert all(x_min < x < x_max and y_min < y < y_max for x, y in face)
    assert y_min > 85
    assert x_max - x_min >= 14


def test_nothing_is_left_of_the_detail_inside() -> None:
    """Contrast between neighbours is gone inside, and untouched outside."""
    picture = chequered()
    region = (30.0, 10.0, 90.0, 70.0)
    blurred = blur_regions(picture, [region])
    inside = blurred[10:70, 30:90].astype(int)
    assert np.abs(np.diff(inside, axis=1)).max() < 16
    assert np.abs(np.diff(inside, axis=0)).max() < 16
    untouched = picture.copy()
    untouched[10:70, 30:90] = blurred[10:70, 30:90]
    assert np.array_equal(untouched, blurred)
    assert np.array_equal(picture, chequered())


coordinate = st.floats(-300, 300)


@given(st.lists(st.tuples(coordinate, coordinate, coordinate, coordinate)))
def test_any_region_is_blurred_as_far_as_it_lies_inside(regions: list[Region]) -> None:
    """Regions that leave the picture or are empty are no error."""
    assert blur_regions(chequered(40, 30), regions).shape == (40, 30, 3)
