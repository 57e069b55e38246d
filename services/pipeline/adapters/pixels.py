"""Cutting, scaling and colouring of pictures, one copy each."""

import cv2
import numpy as np
import numpy.typing as npt

from services.pipeline.domain.frames import Pixels
from services.pipeline.domain.tiles import (
    Region,
    TilePolicy,
    fitted_size_px,
    tile_regions,
)
from services.pipeline.domain.transform import FrameTransform


class FrameTransformer:
    """Applies a camera's transform to its decoded pictures, all of one size."""

    def __init__(self, transform: FrameTransform, width: int, height: int) -> None:
        """Prepare for pictures of one size.

        Args:
            transform: What to do.
            width: Width of the decoded pictures, pixels.
            height: Height of the decoded pictures, pixels.

        Raises:
            InvalidInput: The crop region lies outside the pictures.
        """
        self._crop = Region(*transform.crop_px(width, height))
        self.size_px = transform.output_size_px(width, height)
        self._colours = (
            transform.colour_table()[:, None, :] if transform.changes_colours else None
        )

    def apply(self, decoded: Pixels) -> Pixels:
        """Return the frame that everything else sees."""
        frame = resized(_cut(decoded, self._crop), self.size_px)
        if self._colours is None:
            return np.ascontiguousarray(frame)
        return cv2.LUT(frame, self._colours).astype(np.uint8, copy=False)


def cut_tiles(
    frame: Pixels, policy: TilePolicy, input_size_px: tuple[int, int]
) -> list[tuple[Pixels, Region]]:
    """Return the parts of a frame that a detector wants to see.

    Args:
        frame: The full frame.
        policy: How the detector wants it cut.
        input_size_px: Width and height of the largest picture that the detector
            reads. Larger tiles are scaled down to fit, keeping their shape.

    Returns:
        Pixels of each tile, contiguous, and the part of the frame that they show.
    """
    height, width = frame.shape[:2]
    return [
        (
            np.ascontiguousarray(
                resized(
                    _cut(frame, region),
                    fitted_size_px(region.width, region.height, *input_size_px),
                )
            ),
            region,
        )
        for region in tile_regions(width, height, policy)
    ]


def cut_crop(frame: Pixels, box_px: npt.ArrayLike, size_px: tuple[int, int]) -> Pixels:
    """Return a person, scaled to what an embedder reads.

    Args:
        frame: The full frame.
        box_px: x_min, y_min, x_max, y_max of the person, pixels, shape (4,). What
            lies outside the frame is left out; at least one pixel is kept.
        size_px: Width and height of the crop; the shape is not kept.
    """
    height, width = frame.shape[:2]
    x_min, y_min, x_max, y_max = np.asarray(box_px, np.float64)
    left = int(np.clip(np.floor(x_min), 0, width - 1))
    top = int(np.clip(np.floor(y_min), 0, height - 1))
    right = int(np.clip(np.ceil(x_max), left + 1, width))
    bottom = int(np.clip(np.ceil(y_max), top + 1, height))
    crop = resized(_cut(frame, Region(left, top, right, bottom)), size_px)
    return np.ascontiguousarray(crop)


def resized(picture: Pixels, size_px: tuple[int, int]) -> Pixels:
    """Return a picture scaled to a width and height, pixels.

    Shrinking to less than half averages over areas, so that nothing flickers; all else
    interpolates, which is three times faster.
    """
    height, width = picture.shape[:2]
    if (width, height) == size_px:
        return picture
    shrinks = 2 * size_px[0] < width or 2 * size_px[1] < height
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(picture, size_px, interpolation=method).astype(
        np.uint8, copy=False
    )


def _cut(picture: Pixels, region: Region) -> Pixels:
    """Return a view of a part of a picture."""
    return picture[region.y_min : region.y_max, region.x_min : region.x_max]
