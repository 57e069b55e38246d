"""Frames are covered by overlapping tiles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detector.adapters.cutting import cut_tiles
from services.detector.domain.geometry import Region, Size
from services.detector.domain.tiles import TilePolicy, plan_tiles


def test_one_tile_is_the_frame() -> None:
    """One by one sends the whole frame."""
    assert plan_tiles(Size(460, 576), TilePolicy(1, 1, 0.2)) == (
        Region(0, 0, 460, 576),
    )


@settings(deadline=None)
@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    columns=st.integers(1, 5),
    rows=st.integers(1, 5),
    overlap=st.floats(0, 0.5),
)
def test_tiles_cover_the_frame(
    width: int, height: int, columns: int, rows: int, overlap: float
) -> None:
    """Every pixel of the frame is in a tile, and every tile is in the frame."""
    seen = np.zeros((height, width), bool)
    for region in plan_tiles(Size(width, height), TilePolicy(columns, rows, overlap)):
        assert 0 <= region.x_min < region.x_max <= width
        assert 0 <= region.y_min < region.y_max <= height
        rows_seen = slice(int(region.y_min), int(region.y_max))
        seen[rows_seen, int(region.x_min) : int(region.x_max)] = True
    assert seen.all()


@pytest.mark.parametrize(
    ("size", "tile"),
    [(Size(2000, 1000), Size(480, 240)), (Size(100, 60), Size(100, 60))],
)
def test_cut_scales_down_only(size: Size, tile: Size) -> None:
    """A cut tile fits the model; a small image is not enlarged."""
    image = np.zeros((size.height, size.width, 3), np.uint8)
    (cut,) = cut_tiles(image, TilePolicy(1, 1, 0.0), Size(480, 480))
    assert cut.size == tile
    assert cut.region == Region(0, 0, size.width, size.height)


def test_cut_shows_its_region() -> None:
    """Each tile holds the pixels of its region."""
    image = np.arange(40 * 60 * 3, dtype=np.uint32).astype(np.uint8)
    image = image.reshape(40, 60, 3)
    for tile in cut_tiles(image, TilePolicy(2, 2, 0.25), Size(480, 480)):
        rows = slice(int(tile.region.y_min), int(tile.region.y_max))
        columns = slice(int(tile.region.x_min), int(tile.region.x_max))
        np.testing.assert_array_equal(tile.pixels, image[rows, columns])
