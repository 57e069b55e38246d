"""The models that a detector serves, by name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.common.errors import NotFound
from services.common.ids import ModelId
from services.common.models import DetectorEntry
from services.detector.service import DetectionService


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that is loaded.

    Attributes:
        entry: What it is; input size and tile policy as configured.
        service: Finds people with it.
    """

    entry: DetectorEntry
    service: DetectionService


class ServedModels:
    """Every model that is loaded; iterating begins with the default."""

    def __init__(self, models: Sequence[ServedModel]) -> None:
        """Take the models, of which there is at least one; the first is the default."""
        self._models = {model.entry.model_id: model for model in models}
        self.default = models[0]

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._models.values())

    def named(self, model_id: str) -> ServedModel:
        """Return a model by its name; the empty name is the default's.

        Raises:
            NotFound: No such model is served.
        """
        if not model_id:
            return self.default
        model = self._models.get(ModelId(model_id))
        if model is None:
            raise NotFound(
                f"{model_id!r} is not served; served are {', '.join(self._models)}",
                field="model_id",
            )
        return model
