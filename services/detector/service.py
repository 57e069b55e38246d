"""Find the people of a frame."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from services.common.errors import InvalidInput, Overloaded
from services.detector.batching import Batcher
from services.detector.domain.detections import Detections
from services.detector.domain.geometry import Size
from services.detector.domain.merge import merge_tiles
from services.detector.domain.tiles import RgbImage, Tile

CutTiles = Callable[[RgbImage], Sequence[Tile]]
"""Cuts and scales an image for the model."""


class DetectionService:
    """Answers where people are.

    Attributes:
        input_size: Largest tile that the model reads.
    """

    def __init__(
        self,
        batcher: Batcher,
        cut_tiles: CutTiles,
        *,
        input_size: Size,
        max_images: int,
    ) -> None:
        """Take what it is made of.

        Args:
            batcher: Runs the model.
            cut_tiles: Prepares whole images.
            input_size: Largest tile that the model reads.
            max_images: Whole images that may be under way at a time.
        """
        self.input_size = input_size
        self._batcher = batcher
        self._cut_tiles = cut_tiles
        self._max_images = max_images
        self._images = 0

    async def detect(self, frame: Size, tiles: Sequence[Tile]) -> Detections:
        """Return the people in a frame, each once, the highest score first.

        Args:
            frame: Size of the full frame.
            tiles: Parts of it, at least one.

        Returns:
            People in pixels of the full frame.

        Raises:
            InvalidInput: A tile is larger than the model reads.
        """
        self._require_fitting(tiles)
        return await self._detect(frame, tiles)

    @contextmanager
    def image_slot(self) -> Iterator[None]:
        """Hold the right to have one whole image in memory.

        Raises:
            Overloaded: As many as allowed are under way.
        """
        if self._images >= self._max_images:
            raise Overloaded(f"{self._max_images} images are being searched")
        self._images += 1
        try:
            yield
        finally:
            self._images -= 1

    async def detect_image(self, image: RgbImage) -> Detections:
        """Return the people in an image of any size, in its pixels, best first."""
        height, width = image.shape[:2]
        tiles = await asyncio.to_thread(self._cut_tiles, image)
        return await self._detect(Size(width, height), tiles)

    async def _detect(self, frame: Size, tiles: Sequence[Tile]) -> Detections:
        """Search every tile and merge what they show."""
        found = await asyncio.gather(
            *(self._batcher.run(tile.pixels) for tile in tiles)
        )
        placed = [
            part.to_frame(tile.size, tile.region)
            for part, tile in zip(found, tiles, strict=True)
        ]
        regions = [tile.region for tile in tiles]
        if len(tiles) == 1:
            return merge_tiles(placed, regions, frame)
        return await asyncio.to_thread(merge_tiles, placed, regions, frame)

    def _require_fitting(self, tiles: Sequence[Tile]) -> None:
        """Return if the model can read every tile."""
        for index, tile in enumerate(tiles):
            if not tile.size.fits(self.input_size):
                raise InvalidInput(
                    f"must be at most {self.input_size.width} x "
                    f"{self.input_size.height} pixels; got {tile.size.width} x "
                    f"{tile.size.height}",
                    field=f"tiles[{index}].image",
                )
