"""Bring crops of all callers together into batches, and embed them off the loop."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.common.errors import InvalidInput
from services.common.ids import ModelId
from services.common.images import RgbImage
from services.common.models import PixelOrder
from services.reid.domain.appearance import AppearanceModel
from services.reid.domain.values import Vector
from services.reid.observe import BATCH_SIZE, INFERENCE_SECONDS


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

        Called by several threads at once.

        Args:
            batch: 1 to `max_batch` crops of any size.
        """


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How crops are brought together.

    Attributes:
        max_batch: Crops at once, at most; a model may take fewer.
        max_wait_s: How long the first crop of a batch waits for others, seconds.
        threads: Batches that run at a time.
    """

    max_batch: int = 16
    max_wait_s: float = 0.001
    threads: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A crop, and the future of its vector."""

    crop: RgbImage
    vector: asyncio.Future[Vector]


class EmbeddingService:
    """Runs an embedder for many callers; an asynchronous context manager."""

    def __init__(self, embedder: Embedder, settings: BatchSettings) -> None:
        self.model = embedder.model
        self._embedder = embedder
        self._settings = settings
        self._most = min(settings.max_batch, embedder.max_batch)
        # A full queue makes callers wait, so crops do not pile up unseen.
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(
            2 * self._most * settings.threads
        )
        self._pool = ThreadPoolExecutor(settings.threads, "embedding")
        self._workers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "EmbeddingService":
        self._workers = [
            asyncio.create_task(self._work(), name=f"embedding worker {number}")
            for number in range(self._settings.threads)
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._pool.shutdown()

    async def embed(self, crop: RgbImage) -> Vector:
        """Return the appearance vector of a crop of any size.

        Raises:
            InvalidInput: The model sees nothing in it.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(crop, loop.create_future())
        await self._queue.put(waiting)
        vector = await waiting.vector
        if not np.isfinite(vector).all() or float(np.linalg.norm(vector)) < 0.5:
            raise InvalidInput("has no appearance that can be compared", field="crop")
        return vector

    async def _work(self) -> None:
        """Run batch after batch."""
        loop = asyncio.get_running_loop()
        while True:
            # Whoever went away meanwhile costs nothing.
            batch = _still_waiting(await self._collect())
            if not batch:
                continue
            crops = [waiting.crop for waiting in batch]
            try:
                vectors = await loop.run_in_executor(self._pool, self._run, crops)
            except Exception as error:  # noqa: BLE001 - each caller learns of it.
                for waiting in _still_waiting(batch):
                    waiting.vector.set_exception(error)
            else:
                for waiting, vector in zip(batch, vectors, strict=True):
                    if not waiting.vector.done():
                        waiting.vector.set_result(vector)

    async def _collect(self) -> list[_Waiting]:
        """Wait for a crop, then a little for more."""
        batch = [await self._queue.get()]
        until_s = asyncio.get_running_loop().time() + self._settings.max_wait_s
        while len(batch) < self._most:
            try:
                async with asyncio.timeout_at(until_s):
                    batch.append(await self._queue.get())
            except TimeoutError:
                break
        return batch

    def _run(self, crops: Sequence[RgbImage]) -> NDArray[np.float32]:
        """Run the embedder, in a thread."""
        BATCH_SIZE.observe(len(crops))
        begin_s = time.perf_counter()
        vectors = self._embedder.embed(crops)
        INFERENCE_SECONDS.observe(time.perf_counter() - begin_s)
        return vectors


def _still_waiting(batch: Sequence[_Waiting]) -> list[_Waiting]:
    """Return those whose callers are still there."""
    return [waiting for waiting in batch if not waiting.vector.done()]
