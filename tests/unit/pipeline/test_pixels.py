"""Cutting, scaling, colouring and masking."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import InvalidInput
from services.pipeline.adapters.pixels import FrameTransformer, cut_crop, cut_tiles
from services.pipeline.domain.masks import outside_masks
from services.pipeline.domain.tiles import TilePolicy, fitted_size_px, tile_regions
from services.pipeline.domain.transform import FrameTransform


def _gradient(width: int, height: int) -> np.ndarray:
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return np.stack([x, y, 255 - x], axis=-1).astype(np.uint8)


def test_no_transform_changes_nothing() -> None:
    """The frame equals the decoded picture."""
    picture = _gradient(64, 48)
    transformer = FrameTransformer(FrameTransform(), 64, 48)
    assert np.array_equal(transformer.apply(picture), picture)


def test_crop_scale_and_colour_follow_each_other() -> None:
    """The part is cut out, scaled, and its colours multiplied, then shifted."""
    picture = np.zeros((40, 80, 3), np.uint8)
    picture[10:30, 20:60] = (100, 50, 200)
    transform = FrameTransform((20, 10, 60, 30), 0.5, (1.1, 1.0, 2.0), (5, -60, 0))
    frame = FrameTransformer(transform, 80, 40).apply(picture)
    assert frame.shape == (10, 20, 3)
    assert np.unique(frame.reshape(-1, 3), axis=0).tolist() == [[115, 0, 255]]


def test_a_region_outside_the_picture_is_refused() -> None:
    """The field at fault is named."""
    transform = FrameTransform((0, 0, 100, 50))
    with pytest.raises(InvalidInput) as refused:
        FrameTransformer(transform, 80, 60)
    assert refused.value.field == "camera.transform.crop_region"


@given(
    left=st.integers(0, 60),
    top=st.integers(0, 40),
    scale=st.floats(0.3, 3.0),
    point=st.tuples(st.floats(0, 100), st.floats(0, 80)),
)
def test_the_map_of_a_transform_takes_corners_to_corners(
    left: int, top: int, scale: float, point: tuple[float, float]
) -> None:
    """It is affine, and the kept part's corners become the frame's."""
    transform = FrameTransform((left, top, 100, 80), scale)
    matrix = transform.decoded_to_frame(100, 80)
    width, height = transform.output_size_px(100, 80)
    assert np.allclose(matrix @ (left, top, 1), (0, 0, 1), atol=1e-9)
    assert np.allclose(matrix @ (100, 80, 1), (width, height, 1), atol=1e-9)
    there_and_back = np.linalg.inv(matrix) @ matrix @ (*point, 1.0)
    assert np.allclose(there_and_back, (*point, 1.0))


@given(
    width=st.integers(8, 400),
    height=st.integers(8, 400),
    columns=st.integers(1, 4),
    rows=st.integers(1, 4),
    overlap=st.floats(0, 0.5),
)
def test_tiles_cover_the_frame(
    width: int, height: int, columns: int, rows: int, overlap: float
) -> None:
    """Every pixel lies in a tile, and no tile leaves the frame."""
    policy = TilePolicy(columns, rows, overlap)
    covered = np.zeros((height, width), bool)
    regions = tile_regions(width, height, policy)
    for region in regions:
        assert region.x_max <= width
        assert region.y_max <= height
        covered[region.y_min : region.y_max, region.x_min : region.x_max] = True
    assert len(regions) == columns * rows
    assert covered.all()


def test_tiles_fit_the_detector_and_keep_their_shape() -> None:
    """A large frame is scaled down, a small one is left alone."""
    (pixels, region), *others = cut_tiles(_gradient(800, 600), TilePolicy(), (256, 256))
    assert not others
    assert pixels.shape == (192, 256, 3)
    assert (region.width, region.height) == (800, 600)
    small = _gradient(100, 50)
    assert np.array_equal(cut_tiles(small, TilePolicy(), (256, 256))[0][0], small)


@given(
    size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    limit=st.tuples(st.integers(1, 1000), st.integers(1, 1000)),
)
def test_a_fitted_size_fits(size: tuple[int, int], limit: tuple[int, int]) -> None:
    """It is at least one pixel and at most the limit in each direction."""
    width, height = fitted_size_px(*size, *limit)
    assert 1 <= width <= min(limit[0], size[0])
    assert 1 <= height <= min(limit[1], size[1])


def test_a_tile_is_a_copy() -> None:
    """The frame may be reused while a tile travels."""
    frame = _gradient(64, 64)
    policy = TilePolicy(2, 1, 0.2)
    for pixels, _ in cut_tiles(frame, policy, (64, 64)):
        assert pixels.flags.c_contiguous
        assert not np.shares_memory(pixels, frame)


@pytest.mark.parametrize(
    "box",
    [
        (10, 10, 30, 50),
        (-20, -20, 5, 5),
        (60, 60, 90, 90),
        (200, 200, 300, 300),
        (20.4, 20.6, 20.5, 20.7),
    ],
)
def test_a_crop_has_the_wanted_size_wherever_the_box_lies(
    box: tuple[float, float, float, float],
) -> None:
    """Boxes over the border, outside, or thinner than a pixel give a picture."""
    crop = cut_crop(_gradient(64, 64), box, (32, 64))
    assert crop.shape == (64, 32, 3)


def test_a_crop_shows_what_is_in_the_box() -> None:
    """The colours of the box, and no others."""
    frame = np.zeros((60, 60, 3), np.uint8)
    frame[20:40, 10:20] = (9, 8, 7)
    crop = cut_crop(frame, (10, 20, 20, 40), (16, 32))
    assert (crop == (9, 8, 7)).all()


def test_points_in_a_mask_are_found() -> None:
    """A concave mask covers its arms and not the space between them."""
    u_shape = np.array(
        [[0, 0], [9, 0], [9, 9], [6, 9], [6, 3], [3, 3], [3, 9], [0, 9]], float
    )
    points = np.array([[1.0, 8.0], [8.0, 8.0], [4.5, 8.0], [4.5, 1.0], [20.0, 1.0]])
    expected = [False, False, True, False, True]
    assert outside_masks(points, [u_shape]).tolist() == expected
    assert outside_masks(points, []).all()
    assert outside_masks(np.empty((0, 2)), [u_shape]).shape == (0,)
