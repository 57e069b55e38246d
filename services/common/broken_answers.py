"""Answers of models that are no numbers."""

import structlog
from prometheus_client import Counter

from services.common.errors import SpotOnError
from services.common.ids import ModelId

_log = structlog.get_logger(__name__)


class BrokenAnswer(SpotOnError):
    """A model answered NaN or infinity for a picture.

    It is no empty answer: a room in which nobody is must not look the same. Nor does it
    help to ask again, as it would if the model were unavailable.
    """

    def __init__(self, model_id: ModelId) -> None:
        super().__init__(f"model {model_id} answered numbers that are not finite")


class BrokenAnswers:
    """Counts the broken answers of one model, and tells when they begin and end."""

    def __init__(self, model_id: ModelId, counter: Counter) -> None:
        """Take whose answers they are.

        Args:
            model_id: Name of the model.
            counter: Has the label `model`.
        """
        self._model_id = model_id
        self._counter = counter
        self._is_broken = False

    def note(self, broken: int) -> None:
        """Take note of a batch.

        Args:
            broken: Pictures of it for which the answer was not finite.
        """
        if broken:
            self._counter.labels(self._model_id).inc(broken)
        if bool(broken) == self._is_broken:
            return
        # A line for each change, not for each picture.
        self._is_broken = bool(broken)
        if broken:
            _log.warning(
                "the model answers numbers that are not finite", model=self._model_id
            )
        else:
            _log.info("the model answers finite numbers again", model=self._model_id)
