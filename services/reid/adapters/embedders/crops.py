"""Write crops into the one array that a network reads."""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.images import RgbImage
from services.common.models import EmbedderInput, PixelOrder, TensorLayout

GREY = 127
"""Samples of the crop that every network is tried with."""

Resize = Callable[[RgbImage, int, int], RgbImage]
"""Takes a crop, a width and a height, and returns the crop in that size."""


def resize_by_area(crop: RgbImage, width_px: int, height_px: int) -> RgbImage:
    """Return a crop in another size, each pixel the mean of those that it covers."""
    resized = cv2.resize(crop, (width_px, height_px), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)


class CropWriter:
    """Scales, orders and normalises crops as a network wants them.

    Attributes:
        shape: Shape of one crop in the network's array.
    """

    def __init__(self, read: EmbedderInput, resize: Resize = resize_by_area) -> None:
        self._read = read
        self._resize = resize
        self._planar = read.layout is TensorLayout.NCHW
        sides = (read.height_px, read.width_px)
        self.shape = (3, *sides) if self._planar else (*sides, 3)
        # pixels * gain - offset is (pixels - mean) / deviation.
        gain = 1.0 / np.array(read.deviation, np.float64)
        offset = np.array(read.mean, np.float64) * gain
        self._plain = bool(np.all(gain == 1.0) and np.all(offset == 0.0))
        axes = (3, 1, 1) if self._planar else (3,)
        self._gain = gain.astype(np.float32).reshape(axes)
        self._offset = offset.astype(np.float32).reshape(axes)

    def write(self, batch: Sequence[RgbImage], target: NDArray[Any]) -> None:
        """Write crops into the first rows of an array, which is their only copy.

        Args:
            batch: Crops of any size.
            target: float32 or float16, at least as many rows of `shape`.
        """
        for row, crop in zip(target, batch, strict=False):
            pixels = self._sized(crop)
            np.copyto(
                row,
                pixels.transpose(2, 0, 1) if self._planar else pixels,
                casting="unsafe",
            )
        if not self._plain:
            written = target[: len(batch)]
            written *= self._gain
            written -= self._offset

    def _sized(self, crop: RgbImage) -> NDArray[np.uint8]:
        """Return a view of the crop in the network's size and order."""
        width, height = self._read.width_px, self._read.height_px
        if crop.shape[:2] != (height, width):
            crop = self._resize(crop, width, height)
        return crop[..., ::-1] if self._read.pixel_order is PixelOrder.BGR else crop


def unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Return vectors in unit length; what is not finite stays so.

    Args:
        vectors: Numbers of any type, shape (N, dimensions).
    """
    with np.errstate(invalid="ignore", over="ignore"):
        numbers = vectors.astype(np.float32)
        length = np.linalg.norm(numbers, axis=1, keepdims=True)
        scaled: NDArray[np.float32] = numbers / np.maximum(length, 1e-12)
    return scaled
