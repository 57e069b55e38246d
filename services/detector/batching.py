"""The model behind the service, shared by all callers."""

from collections.abc import Sequence
from typing import Protocol

from services.common.batching import Batcher as CommonBatcher
from services.common.batching import BatchMetrics, BatchSettings
from services.detector.domain.detections import Detections
from services.detector.domain.geometry import Size
from services.detector.domain.tiles import RgbImage
from services.detector.observe import BATCH_SIZE, INFERENCE_SECONDS


class Detector(Protocol):
    """A model that finds people."""

    @property
    def input_size(self) -> Size:
        """Largest picture that it takes."""

    @property
    def max_batch(self) -> int:
        """Pictures that it takes at once, at least 1."""

    def detect(self, batch: Sequence[RgbImage]) -> Sequence[Detections]:
        """Return what each picture shows, in its own pixels.

        Called by several threads at once.

        Args:
            batch: 1 to `max_batch` pictures, none larger than `input_size`.
        """


class Batcher(CommonBatcher[RgbImage, Detections]):
    """Runs a detector for many callers; an asynchronous context manager."""

    def __init__(self, detector: Detector, settings: BatchSettings) -> None:
        super().__init__(
            detector.detect,
            settings,
            BatchMetrics(BATCH_SIZE, INFERENCE_SECONDS),
            max_batch=detector.max_batch,
        )
