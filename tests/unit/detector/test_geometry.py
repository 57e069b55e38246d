"""Sizes, boxes and their overlap."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detector.domain.geometry import Size, area, clip, overlap

sides = st.integers(1, 5000)


@settings(deadline=None)
@given(width=sides, height=sides, limit_width=sides, limit_height=sides)
def test_scaled_size_fits(
    width: int, height: int, limit_width: int, limit_height: int
) -> None:
    """A scaled size fits its limit, is never enlarged, and never vanishes."""
    limit = Size(limit_width, limit_height)
    scaled = Size(width, height).scaled_into(limit)
    assert scaled.fits(limit)
    assert scaled.fits(Size(width, height))
    assert min(scaled.width, scaled.height) >= 1


def test_small_size_is_kept() -> None:
    """What fits already is left as it is."""
    assert Size(100, 50).scaled_into(Size(480, 480)) == Size(100, 50)


def test_clip_outside_has_no_area() -> None:
    """A box that lies outside its bounds keeps no extent."""
    bounds = np.array([0, 0, 10, 10], np.float32)
    box = np.array([[20, 20, 30, 30]], np.float32)
    assert area(clip(box, bounds)).tolist() == [0.0]


@settings(deadline=None)
@given(
    corners=st.lists(st.floats(-100, 100, width=16), min_size=4, max_size=4),
    extents=st.lists(st.floats(1, 100, width=16), min_size=4, max_size=4),
)
def test_overlap_is_symmetric(corners: list[float], extents: list[float]) -> None:
    """Overlap is symmetric, within [0, 1], and 1 for a box with itself."""
    least = np.array(corners, np.float32).reshape(2, 2)
    most = least + np.array(extents, np.float32).reshape(2, 2)
    first, second = np.concatenate([least, most], axis=1)
    there, back = overlap(first, second), overlap(second, first)
    assert there == back
    assert 0 <= there <= 1
    np.testing.assert_allclose(overlap(first, first), 1, atol=1e-5)
