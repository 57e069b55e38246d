"""Frames and images become people in their own coordinates."""

from functools import partial

import numpy as np
import pytest

from services.common.batching import BatchSettings
from services.common.errors import InvalidInput, Overloaded
from services.common.ids import ModelId
from services.detector.adapters.cutting import cut_tiles
from services.detector.batching import Batcher
from services.detector.domain.geometry import Region, Size
from services.detector.domain.tiles import RgbImage, Tile, TilePolicy
from services.detector.service import DetectionService, ImageSlots
from tests.fakes.detector import FakeDetector

INPUT = Size(64, 64)
MODEL = ModelId("fake")


def service(batcher: Batcher, *, columns: int = 1) -> DetectionService:
    """Return a service that cuts images into columns."""
    policy = TilePolicy(columns, 1, 0.2)
    cut = partial(cut_tiles, policy=policy, input_size=INPUT)
    return DetectionService(batcher, cut, input_size=INPUT)


def scene(width: int, height: int, person: tuple[int, int, int, int]) -> RgbImage:
    """Return a black image with one white person."""
    image = np.zeros((height, width, 3), np.uint8)
    x_min, y_min, x_max, y_max = person
    image[y_min:y_max, x_min:x_max] = 255
    return image


@pytest.mark.parametrize("columns", [1, 2, 3])
async def test_image_is_scaled_and_cut(columns: int) -> None:
    """A person in a large image is found at full size, however it is cut."""
    image = scene(640, 320, (300, 100, 360, 300))
    async with Batcher(MODEL, FakeDetector(), BatchSettings()) as batcher:
        found = await service(batcher, columns=columns).detect_image(image)
    assert len(found) == 1
    np.testing.assert_allclose(found.boxes_px[0], (300, 100, 360, 300), atol=10)


async def test_image_of_one_pixel_shows_nobody() -> None:
    """One black pixel is an image with nobody in it."""
    async with Batcher(MODEL, FakeDetector(), BatchSettings()) as batcher:
        found = await service(batcher).detect_image(np.zeros((1, 1, 3), np.uint8))
    assert len(found) == 0


async def test_tiles_are_placed_in_the_frame() -> None:
    """What a scaled tile shows is told in pixels of the frame."""
    tile = Tile(scene(50, 50, (10, 10, 20, 30)), Region(100, 0, 200, 100))
    async with Batcher(MODEL, FakeDetector(), BatchSettings()) as batcher:
        found = await service(batcher).detect(Size(200, 100), [tile])
    assert found.boxes_px.tolist() == [[120, 20, 140, 60]]


async def test_refuses_large_tiles() -> None:
    """A tile with more pixels than the model reads is refused by its index."""
    small, large = (
        Tile(np.zeros((side, side, 3), np.uint8), Region(0, 0, 100, 100))
        for side in (64, 65)
    )
    async with Batcher(MODEL, FakeDetector(), BatchSettings()) as batcher:
        with pytest.raises(InvalidInput) as refused:
            await service(batcher).detect(Size(100, 100), [small, large])
    assert refused.value.field == "tiles[1].image"


def test_limits_images_under_way() -> None:
    """One image more than allowed is refused, and room is made again."""
    slots = ImageSlots(1)
    with slots.taken(), pytest.raises(Overloaded), slots.taken():
        pass
    with slots.taken():
        pass
