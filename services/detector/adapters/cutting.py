"""Cut and scale whole images for the model."""

import cv2
import numpy as np

from services.detector.domain.geometry import Region, Size
from services.detector.domain.tiles import RgbImage, Tile, TilePolicy, plan_tiles


def cut_tiles(
    image: RgbImage, policy: TilePolicy, input_size: Size
) -> tuple[Tile, ...]:
    """Return the tiles of an image, each scaled down to what the model reads."""
    height, width = image.shape[:2]
    return tuple(
        Tile(_scaled(_cropped(image, region), input_size), region)
        for region in plan_tiles(Size(width, height), policy)
    )


def _cropped(image: RgbImage, region: Region) -> RgbImage:
    """Return a view of a region with whole-pixel edges."""
    rows = slice(int(region.y_min), int(region.y_max))
    return image[rows, int(region.x_min) : int(region.x_max)]


def _scaled(image: RgbImage, limit: Size) -> RgbImage:
    """Return the image no larger than `limit`, of the same shape."""
    height, width = image.shape[:2]
    size = Size(width, height).scaled_into(limit)
    if size == Size(width, height):
        return image
    # Areas are averaged when much is lost, else thin limbs disappear.
    much = 2 * size.width < width
    how = cv2.INTER_AREA if much else cv2.INTER_LINEAR
    scaled = cv2.resize(image, (size.width, size.height), interpolation=how)
    return np.asarray(scaled, np.uint8)
