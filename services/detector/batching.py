"""The model behind the service, shared by all callers."""

from collections.abc import Sequence
from typing import Protocol

from services.common.batching import Batcher as CommonBatcher
from services.common.batching import BatchMetrics, BatchSettings
from services.common.broken_answers import BrokenAnswer, BrokenAnswers
from services.common.ids import ModelId
from services.detector.domain.detections import Detections
from services.detector.domain.geometry import Size
from services.detector.domain.tiles import RgbImage
from services.detector.observe import (
    BATCH_SIZE,
    BROKEN_ANSWERS,
    INFERENCE_SECONDS,
    WAITING,
)

Answer = Detections | BrokenAnswer
"""What a model answers for one picture."""


class Detector(Protocol):
    """A model that finds people."""

    @property
    def input_size(self) -> Size:
        """Largest picture that it takes."""

    @property
    def max_batch(self) -> int:
        """Pictures that it takes at once, at least 1."""

    def detect(self, batch: Sequence[RgbImage]) -> Sequence[Answer]:
        """Return what each picture shows, in its own pixels.

        Called by several threads at once.

        Args:
            batch: 1 to `max_batch` pictures, none larger than `input_size`.
        """


class Batcher(CommonBatcher[RgbImage, Detections]):
    """Runs a detector for many callers; an asynchronous context manager."""

    def __init__(
        self, model_id: ModelId, detector: Detector, settings: BatchSettings
    ) -> None:
        """Prepare to run.

        Args:
            model_id: Name of the model.
            detector: The model, loaded.
            settings: How pictures are brought together.
        """
        self._detector = detector
        self._broken = BrokenAnswers(model_id, BROKEN_ANSWERS)
        super().__init__(
            self._detect,
            settings,
            BatchMetrics(
                BATCH_SIZE.labels(model_id),
                INFERENCE_SECONDS.labels(model_id),
                WAITING.labels(model_id),
            ),
            max_batch=detector.max_batch,
        )

    def _detect(self, batch: Sequence[RgbImage]) -> Sequence[Answer]:
        """Run the model, and count what it could not answer."""
        answers = self._detector.detect(batch)
        self._broken.note(sum(isinstance(answer, BrokenAnswer) for answer in answers))
        return answers
