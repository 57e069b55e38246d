"""Detectors that need no model."""

import threading
from collections.abc import Callable, Sequence

import numpy as np

from services.detector.domain.detections import Detections
from services.detector.domain.geometry import Size
from services.detector.domain.tiles import RgbImage

Find = Callable[[RgbImage], Detections]


def bright_areas(pixels: RgbImage) -> Detections:
    """Find one person around all bright pixels, scored by their share."""
    bright = pixels.min(axis=2) > 127
    if not bright.any():
        return Detections.none()
    y, x = np.nonzero(bright)
    box = (x.min(), y.min(), x.max() + 1, y.max() + 1)
    return Detections(
        np.array([box], np.float32),
        np.array([bright.mean()], np.float32),
        np.zeros((1, 0, 3), np.float32),
    )


class FakeDetector:
    """Answers with a function, and remembers its batches.

    Attributes:
        input_size: Largest picture that it takes.
        max_batch: Pictures that it takes at once.
        batches: Size of each batch so far.
        gate: Cleared, it holds every batch until it is set again.
        entered: Released once for each batch that begins.
    """

    def __init__(
        self,
        find: Find = bright_areas,
        *,
        input_size: Size = Size(64, 64),  # noqa: B008 - frozen.
        max_batch: int = 4,
    ) -> None:
        self.input_size = input_size
        self.max_batch = max_batch
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self._find = find

    def detect(self, batch: Sequence[RgbImage]) -> Sequence[Detections]:
        """Apply the function to each picture."""
        self.batches.append(len(batch))
        self.entered.release()
        if not self.gate.wait(10):
            raise TimeoutError("the gate stayed closed")
        return [self._find(pixels) for pixels in batch]
