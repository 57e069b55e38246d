"""Who gets which detection."""

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.tracker.domain.association import (
    UNMATCHED,
    assign,
    associate,
    contested,
)
from services.tracker.domain.boxes import covered_share, overlap


def _cheapest(cost: np.ndarray, max_cost: float) -> float:
    """Return the least total cost by trying everything."""
    rows, columns = cost.shape
    if rows > columns:
        return _cheapest(cost.T, max_cost)
    capped = np.minimum(cost, max_cost)
    return min(
        (
            sum(capped[row, column] for row, column in enumerate(order))
            for order in permutations(range(columns), rows)
        ),
        default=0.0,
    )


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(0, 4), st.integers(0, 4)),
        elements=st.floats(0, 1),
    )
)
def test_assignment_is_the_cheapest_there_is(cost: np.ndarray) -> None:
    """Taking lone pairs first never costs anything."""
    rows, columns = assign(cost, 0.8)
    assert (cost[rows, columns] < 0.8).all()
    assert len(set(rows)) == len(rows)
    assert len(set(columns)) == len(columns)
    apart = min(cost.shape) - len(rows)
    total = cost[rows, columns].sum() + 0.8 * apart
    assert total <= _cheapest(cost, 0.8) + 1e-9


def test_a_tentative_track_takes_what_established_ones_leave() -> None:
    """An established track gets its detection even from a closer tentative one."""
    match = associate(
        np.array([[0.3], [0.1]]),
        established=np.array([True, False]),
        recent=np.array([True, True]),
        strong=np.array([True]),
        weak=np.array([False]),
    )
    assert match.tolist() == [0, UNMATCHED]


def test_a_weak_detection_continues_a_recent_track_only() -> None:
    """A track that coasts already is not revived by a weak detection."""
    for recent, expected in ((True, 0), (False, UNMATCHED)):
        match = associate(
            np.array([[0.2]]),
            established=np.array([True]),
            recent=np.array([recent]),
            strong=np.array([False]),
            weak=np.array([True]),
        )
        assert match.tolist() == [expected]


def test_a_cheap_swap_is_contested_and_a_clear_one_is_not() -> None:
    """Only detections whose swap costs hardly more are contested."""
    strong, match = np.array([True, True]), np.array([0, 1])
    near = np.array([[0.3, 0.35], [0.35, 0.3]])
    clear = np.array([[0.1, 0.7], [0.7, 0.1]])
    assert contested(near, match, strong).tolist() == [True, True]
    assert contested(clear, match, strong).tolist() == [False, False]


def test_a_rival_without_a_detection_contests() -> None:
    """An unmatched track near a matched detection makes it contested."""
    cost = np.array([[0.3], [0.4]])
    assert contested(cost, np.array([0, UNMATCHED]), np.array([True])).tolist() == [
        True
    ]


def test_a_detection_without_a_track_contests() -> None:
    """A track that could take another detection just as well contests both."""
    cost = np.array([[0.3, 0.4]])
    result = contested(cost, np.array([0]), np.array([True, True]))
    assert result.tolist() == [True, True]


def test_overlap_without_margin_is_intersection_over_union() -> None:
    """Two boxes that share a third of their union overlap by a third."""
    first = np.array([[0.0, 0.0, 20.0, 10.0]])
    second = np.array([[10.0, 0.0, 30.0, 10.0]])
    np.testing.assert_allclose(overlap(first, second, np.zeros(1)), [[1 / 3]])
    assert overlap(first, second + 40, np.zeros(1)).item() == 0.0
    assert (
        overlap(first, second + np.array([15, 0, 15, 0]), np.full(1, 10.0)).item() > 0.0
    )


def test_only_a_nearer_box_covers() -> None:
    """The box whose lower edge is lower in the image covers the other one."""
    boxes_px = np.array([[0.0, 0.0, 10.0, 20.0], [5.0, 10.0, 15.0, 30.0]])
    np.testing.assert_allclose(covered_share(boxes_px, boxes_px), [0.25, 0.0])
