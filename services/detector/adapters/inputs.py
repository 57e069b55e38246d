"""Write pictures into the input of a network."""

import threading
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.models import PixelOrder
from services.common.onnx_session import Array
from services.detector.domain.geometry import Size
from services.detector.domain.heads import PADDING_GREY, Fit, Preparation
from services.detector.domain.tiles import RgbImage

NewBuffer = Callable[[int], Array]
"""Returns memory for a number of pictures, shape (count, 3, height, width)."""


class InputWriter:
    """Prepares batches, each thread in memory that it uses again and again.

    A sample is touched twice: it is sorted into its plane, then scaled into the input.
    """

    def __init__(
        self,
        preparation: Preparation,
        input_size: Size,
        order: PixelOrder,
        new_buffer: NewBuffer,
    ) -> None:
        """Prepare to write.

        Args:
            preparation: How a picture becomes an input.
            input_size: Size of the input.
            order: Order of the planes.
            new_buffer: Returns memory; called when a batch is larger than all before.
        """
        self._fit = preparation.fit
        self._size = input_size
        self._channels = (0, 1, 2) if order is PixelOrder.RGB else (2, 1, 0)
        self._scale = np.array(preparation.scale, np.float32)
        self._offset = np.array(preparation.offset, np.float32)
        self._padding = PADDING_GREY * self._scale + self._offset
        self._new_buffer = new_buffer
        self._of_thread = threading.local()

    def write(self, pictures: Sequence[RgbImage], count: int) -> Array:
        """Return the input for a batch.

        Args:
            pictures: None larger than the input.
            count: Pictures that the network takes, at least as many. What lies beyond
                those given is of no meaning.

        Returns:
            Shape (count, 3, height, width); valid until this thread writes again.
        """
        batch = self._buffer(count)[:count]
        for slot, pixels in zip(batch, pictures, strict=False):
            self._write_one(slot, pixels)
        return batch

    def _buffer(self, count: int) -> Array:
        """Return this thread's memory for at least `count` pictures."""
        buffer: Array | None = getattr(self._of_thread, "buffer", None)
        if buffer is None or len(buffer) < count:
            buffer = self._of_thread.buffer = self._new_buffer(count)
        return buffer

    def _write_one(self, slot: Array, pixels: RgbImage) -> None:
        """Write a picture into its part of the input, shape (3, height, width)."""
        if self._fit is Fit.STRETCH:
            pixels = stretched(pixels, self._size)
        height, width = pixels.shape[:2]
        planes = _planes(pixels)
        for plane, channel in zip(slot, self._channels, strict=True):
            part = plane[:height, :width]
            np.multiply(
                planes[channel], self._scale[channel], out=part, casting="unsafe"
            )
            if self._offset[channel]:
                part += self._offset[channel].astype(part.dtype)
            plane[height:] = self._padding[channel]
            plane[:height, width:] = self._padding[channel]


def stretched(pixels: RgbImage, size: Size) -> RgbImage:
    """Return a picture scaled to a size, whatever its shape."""
    if pixels.shape[1::-1] == (size.width, size.height):
        return pixels
    scaled = cv2.resize(pixels, (size.width, size.height))
    return np.asarray(scaled, np.uint8)


def _planes(pixels: RgbImage) -> Sequence[NDArray[np.uint8]]:
    """Return red, green and blue, each of shape (height, width).

    A picture that was sent in the order blue, green, red is a view that runs backwards,
    which OpenCV would copy first.
    """
    if pixels.strides[-1] < 0:
        planes = cv2.split(pixels[..., ::-1])[::-1]
    else:
        planes = cv2.split(pixels)
    return [np.asarray(plane, np.uint8) for plane in planes]
