"""Where the feet are."""

import numpy as np

from services.tracker.domain import kalman
from services.tracker.domain.foot import (
    coasted_foot_points,
    feet_regions,
    foot_points,
)
from tests.unit.tracker.scenes import SIZE_PX, box

_NO_ANKLES = np.zeros((1, 2, 3))
_FREE = np.zeros(1)


def test_without_ankles_the_feet_are_at_the_bottom_centre() -> None:
    """A whole, free box gives its bottom centre, fully visible."""
    feet = foot_points(np.array([box(500, 800)]), _NO_ANKLES, _FREE, SIZE_PX)
    np.testing.assert_allclose(feet.points_px, [[500, 800]])
    np.testing.assert_allclose(feet.visibility, [1.0])


def test_two_ankles_give_the_floor_below_their_mid_point() -> None:
    """Confident ankles win over the box, and are surer."""
    boxes_px = np.array([box(500, 800)])
    ankles_px = np.array([[[480.0, 790.0, 0.8], [520.0, 770.0, 0.6]]])
    feet = foot_points(boxes_px, ankles_px, _FREE, SIZE_PX)
    np.testing.assert_allclose(feet.points_px, [[500, 780 + 0.039 * 200]])
    np.testing.assert_allclose(feet.visibility, [0.7])
    by_box = foot_points(boxes_px, _NO_ANKLES, _FREE, SIZE_PX)
    assert feet.sigma_px[0] < by_box.sigma_px[0]


def test_one_ankle_is_used_alone_and_less_sure() -> None:
    """An ankle that the detector doubts does not count."""
    ankles_px = np.array([[[480.0, 790.0, 0.8], [520.0, 770.0, 0.1]]])
    feet = foot_points(np.array([box(500, 800)]), ankles_px, _FREE, SIZE_PX)
    np.testing.assert_allclose(feet.points_px, [[480, 790 + 0.039 * 200]])
    assert feet.sigma_px[0] > 0.02 * 200


def test_an_ankle_of_somebody_else_is_ignored() -> None:
    """An ankle far from the box, or one that is no number, does not count."""
    ankles_px = np.array([[[900.0, 790.0, 0.9], [np.nan, 780.0, 0.9]]])
    feet = foot_points(np.array([box(500, 800)]), ankles_px, _FREE, SIZE_PX)
    np.testing.assert_allclose(feet.points_px, [[500, 800]])


def test_a_box_cut_below_shows_no_feet() -> None:
    """A box that ends at the lower border says nothing about the floor."""
    feet = foot_points(np.array([box(500, 1080)]), _NO_ANKLES, _FREE, SIZE_PX)
    assert feet.visibility.tolist() == [0.0]


def test_a_box_cut_at_a_side_is_doubted() -> None:
    """A box that ends at the left border has a wrong centre."""
    cut, whole = (
        foot_points(np.array([box(x, 800)]), _NO_ANKLES, _FREE, SIZE_PX)
        for x in (40, 500)
    )
    assert cut.visibility[0] < whole.visibility[0]
    assert cut.sigma_px[0] > whole.sigma_px[0]


def test_covered_feet_are_hardly_visible() -> None:
    """Visibility falls and sigma grows with the covered share of the feet."""
    boxes_px = np.array([box(500, 800)])
    feet = foot_points(boxes_px, _NO_ANKLES, np.array([0.9]), SIZE_PX)
    free = foot_points(boxes_px, _NO_ANKLES, _FREE, SIZE_PX)
    np.testing.assert_allclose(feet.visibility, [0.1])
    assert feet.sigma_px[0] > free.sigma_px[0]


def test_sigma_grows_with_the_person() -> None:
    """Twice the height means twice the sigma, from one pixel up."""
    tall, short, tiny = (
        foot_points(np.array([box(500, 800, h)]), _NO_ANKLES, _FREE, SIZE_PX)
        for h in (400, 200, 10)
    )
    np.testing.assert_allclose(tall.sigma_px, 2 * short.sigma_px)
    assert tiny.sigma_px.tolist() == [1.0]


def test_feet_are_in_the_lowest_part_of_the_box() -> None:
    """The region of the feet ends where the box ends."""
    region = feet_regions(np.array([box(500, 800)]))
    np.testing.assert_allclose(region, [[460, 770, 540, 800]])


def test_coasted_feet_follow_the_prediction_and_grow_unsure() -> None:
    """The longer nobody is seen, the larger the sigma of the predicted feet."""
    state = kalman.begin(np.array([[500.0, 700.0, 80.0, 200.0]]))
    soon = coasted_foot_points(kalman.predict(state, 0.1))
    late = coasted_foot_points(kalman.predict(state, 0.9))
    np.testing.assert_allclose(soon.points_px, [[500, 800]])
    assert late.sigma_px[0] > soon.sigma_px[0]
    assert 0.0 < late.visibility[0] < 0.5
