"""Bring pictures of all callers together into batches, and run them off the loop."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

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


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How pictures are brought together.

    Attributes:
        max_batch: Pictures at once, at most; a model may take fewer.
        max_wait_s: How long the first picture of a batch waits for others, seconds.
        threads: Batches that run at a time.
    """

    max_batch: int = 8
    max_wait_s: float = 0.002
    threads: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A picture, and the future of what it shows."""

    pixels: RgbImage
    found: asyncio.Future[Detections]


class Batcher:
    """Runs a detector for many callers; an asynchronous context manager."""

    def __init__(self, detector: Detector, settings: BatchSettings) -> None:
        self._detector = detector
        self._settings = settings
        self._most = min(settings.max_batch, detector.max_batch)
        # A full queue makes callers wait, so pictures do not pile up unseen.
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(
            2 * self._most * settings.threads
        )
        self._pool = ThreadPoolExecutor(settings.threads, "inference")
        self._workers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Batcher":
        self._workers = [
            asyncio.create_task(self._work(), name=f"batch worker {number}")
            for number in range(self._settings.threads)
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._pool.shutdown()

    async def detect(self, pixels: RgbImage) -> Detections:
        """Return what a picture shows, in its own pixels."""
        found: asyncio.Future[Detections] = asyncio.get_running_loop().create_future()
        await self._queue.put(_Waiting(pixels, found))
        return await found

    async def _work(self) -> None:
        """Run batch after batch."""
        loop = asyncio.get_running_loop()
        while True:
            # Whoever went away meanwhile costs nothing.
            batch = _still_waiting(await self._collect())
            if not batch:
                continue
            pictures = [waiting.pixels for waiting in batch]
            try:
                results = await loop.run_in_executor(self._pool, self._run, pictures)
            except Exception as error:  # noqa: BLE001 - each caller learns of it.
                for waiting in _still_waiting(batch):
                    waiting.found.set_exception(error)
            else:
                for waiting, result in zip(batch, results, strict=True):
                    if not waiting.found.done():
                        waiting.found.set_result(result)

    async def _collect(self) -> list[_Waiting]:
        """Wait for a picture, then a little for more."""
        batch = [await self._queue.get()]
        until_s = asyncio.get_running_loop().time() + self._settings.max_wait_s
        while len(batch) < self._most:
            try:
                async with asyncio.timeout_at(until_s):
                    batch.append(await self._queue.get())
            except TimeoutError:
                break
        return batch

    def _run(self, pictures: Sequence[RgbImage]) -> Sequence[Detections]:
        """Run the model, in a thread."""
        BATCH_SIZE.observe(len(pictures))
        begin_s = time.perf_counter()
        results = self._detector.detect(pictures)
        INFERENCE_SECONDS.observe(time.perf_counter() - begin_s)
        return results


def _still_waiting(batch: Sequence[_Waiting]) -> list[_Waiting]:
    """Return those whose callers are still there."""
    return [waiting for waiting in batch if not waiting.found.done()]
