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


class ImageSlots:
    """Limits how many whole images are in memory at a time."""

    def __init__(self, most: int) -> None:
        """Take how many there may be, at least 1."""
        self._most = most
        self._taken = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold the right to have one whole image in memory.

        Raises:
            Overloaded: As many as allowed are under way.
        """
        if self._taken >= self._most:
            raise Overloaded(f"{self._most} images are being searched")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


class DetectionService:
    """Answers where people are, by one model.

    Attributes:
        input_size: Largest tile that the model reads.
    """

    def __init__(
        self,
        batcher: Batcher,
        cut_tiles: CutTiles,
        *,
        input_size: Size,
    ) -> None:
        """Take what it is made of.

        Args:
            batcher: Runs the model.
            cut_tiles: Prepares whole images.
            input_size: Largest tile that the model reads.
        """
        self.input_size = input_size
        self._batcher = batcher
        self._cut_tiles = cut_tiles

    async def detect(self, frame: Size, tiles: Sequence[Tile]) -> Detections:
        """Return the people in a frame, each once, the highest score first.

        Args:
            frame: Size of the full frame.
            tiles: Parts of it, at least one.

        Returns:
            People in pixels of the full frame.

        Raises:
            InvalidInput: A tile is larger than the model reads.
            DeviceFailed: The model's device failed.
            BrokenAnswer: The model answered NaN or infinity.
        """
        self._require_fitting(tiles)
        return await self._detect(frame, tiles)

    async def detect_image(self, image: RgbImage) -> Detections:
        """Return the people in an image of any size, in its pixels, best first.

        Raises:
            DeviceFailed: The model's device failed.
            BrokenAnswer: The model answered NaN or infinity.
        """
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
