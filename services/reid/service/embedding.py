"""The embedders behind the service, shared by all callers."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from services.common.batching import Batcher, BatchMetrics, BatchSettings
from services.common.broken_answers import BrokenAnswer, BrokenAnswers
from services.common.errors import InvalidInput, NotFound
from services.common.ids import ModelId
from services.common.images import RgbImage
from services.common.models.entries import PixelOrder
from services.reid.domain.appearance import AppearanceModel
from services.reid.domain.values import Vector
from services.reid.observe import (
    BATCH_SIZE,
    BROKEN_ANSWERS,
    INFERENCE_SECONDS,
    WAITING,
)


@dataclass(frozen=True, slots=True)
class EmbedderModel:
    """What an embedder reads and makes.

    Attributes:
        model_id: Name that every vector carries.
        width_px: Width to which crops are scaled.
        height_px: Height to which crops are scaled.
        pixel_order: Order of samples that needs no conversion.
        dimensions: Length of a vector.
        match_similarity: Cosine at which two crops are as likely of one person as of
            two.
    """

    model_id: ModelId
    width_px: int
    height_px: int
    pixel_order: PixelOrder
    dimensions: int
    match_similarity: float

    @property
    def appearance(self) -> AppearanceModel:
        """What the association must know."""
        return AppearanceModel(self.model_id, self.dimensions, self.match_similarity)


class Embedder(Protocol):
    """Describes what a person looks like."""

    @property
    def model(self) -> EmbedderModel:
        """What it reads and makes."""

    @property
    def max_batch(self) -> int:
        """Crops that it takes at once, at least 1."""

    def embed(self, batch: Sequence[RgbImage]) -> NDArray[np.float32]:
        """Return the vectors of crops, float32, shape (N, dimensions), unit length.

        Called by several threads at once. A vector of a crop that shows nothing may
        be zero or not finite.

        Args:
            batch: 1 to `max_batch` crops of any size.
        """


class EmbeddingService(Batcher[RgbImage, Vector]):
    """Runs an embedder for many callers; an asynchronous context manager."""

    def __init__(self, embedder: Embedder, settings: BatchSettings) -> None:
        self.model = embedder.model
        self._embedder = embedder
        name = self.model.model_id
        self._broken = BrokenAnswers(name, BROKEN_ANSWERS)
        super().__init__(
            self._embed,
            settings,
            BatchMetrics(
                BATCH_SIZE.labels(name),
                INFERENCE_SECONDS.labels(name),
                WAITING.labels(name),
            ),
            max_batch=embedder.max_batch,
        )

    async def embed(self, crop: RgbImage, *, field: str = "crop") -> Vector:
        """Return the appearance vector of a crop of any size.

        Args:
            crop: The crop.
            field: Path of the request field that holds it, for errors.

        Raises:
            InvalidInput: The model sees nothing in it.
            BrokenAnswer: The model answered NaN or infinity.
            Unavailable: The device of the model failed.
        """
        vector = await self.run(crop)
        if float(np.linalg.norm(vector)) < 0.5:
            raise InvalidInput("has no appearance that can be compared", field=field)
        return vector

    def _embed(self, crops: Sequence[RgbImage]) -> Sequence[Vector | BrokenAnswer]:
        """Run the embedder, and count what it could not answer."""
        vectors = self._embedder.embed(crops)
        finite = [bool(np.isfinite(vector).all()) for vector in vectors]
        self._broken.note(finite.count(False))
        return [
            vector if is_finite else BrokenAnswer(self.model.model_id)
            for vector, is_finite in zip(vectors, finite, strict=True)
        ]


class Embedders:
    """Every running embedder; an asynchronous context manager.

    Attributes:
        default: Serves those who name none.
        models: What they read and make, the default first.
    """

    def __init__(self, embedders: Sequence[Embedder], settings: BatchSettings) -> None:
        """Take the embedders, the default first, each of another model."""
        services = [EmbeddingService(embedder, settings) for embedder in embedders]
        self._services = {one.model.model_id: one for one in services}
        self.default = services[0]
        self.models = tuple(one.model for one in services)
        self._running = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        for service in self._services.values():
            await self._running.enter_async_context(service)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    def choose(self, model_id: str, *, field: str) -> EmbeddingService:
        """Return the embedder of a name, or the default for none.

        Args:
            model_id: Name; may be empty.
            field: Path of the request field that holds it, for errors.

        Raises:
            NotFound: None of that name is running.
        """
        if not model_id:
            return self.default
        service = self._services.get(ModelId(model_id))
        if service is None:
            running = ", ".join(self._services)
            message = f"no embedder {model_id!r} is running; these are: {running}"
            raise NotFound(message, field=field)
        return service
