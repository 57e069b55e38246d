"""Simple polygons and those that are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.mapper.domain.polygon import is_simple


@given(
    st.integers(3, 60), st.floats(-1e5, 1e5), st.floats(0.5, 100), st.floats(0, 6.28)
)
def test_regular_polygons_are_simple(
    count: int, centre: float, radius: float, turn: float
) -> None:
    """A regular polygon is simple wherever it is."""
    angles = turn + np.arange(count) * 2 * np.pi / count
    corners = centre + radius * np.column_stack([np.cos(angles), np.sin(angles)])
    assert is_simple(corners)


def test_concave_polygons_are_simple() -> None:
    """An L is simple, with a corner on a straight edge too."""
    shape = [(0, 0), (1, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]
    assert is_simple(np.array(shape, dtype=np.float64))


@pytest.mark.parametrize(
    "corners",
    [
        [(0, 0), (2, 2), (2, 0), (0, 2)],
        [(0, 0), (1, 0), (2, 0)],
        [(0, 0), (1, 1), (0, 0)],
        [(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)],
        [(0, 0), (0, 0), (1, 0), (1, 1)],
        [(0, 0), (2, 0), (1, 0), (1, 1)],
    ],
    ids=["bow tie", "line", "there and back", "touches an edge", "twice", "spike"],
)
def test_others_are_not(corners: list[tuple[float, float]]) -> None:
    """What crosses, touches or folds onto itself is not simple."""
    assert not is_simple(np.array(corners, dtype=np.float64))
