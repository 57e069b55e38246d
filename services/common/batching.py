"""Bring items of all callers together into batches, and compute them off the loop."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from prometheus_client import Gauge, Histogram

from services.common.errors import SpotOnError
from services.common.tasks import end_tasks

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How items are brought together.

    Attributes:
        max_batch: Items at once, at most; a model may take fewer.
        max_wait_s: How long the first item of a batch waits for others, seconds.
        threads: Batches that run at a time.
    """

    max_batch: int = 8
    max_wait_s: float = 0.002
    threads: int = 1


@dataclass(frozen=True, slots=True)
class BatchMetrics:
    """Where batches are counted.

    Attributes:
        size: Items of each batch.
        seconds: Duration of each batch.
        waiting: Items that wait for a result.
    """

    size: Histogram
    seconds: Histogram
    waiting: Gauge


class Batcher(Generic[Item, Result]):
    """Computes for many callers; an asynchronous context manager."""

    def __init__(
        self,
        compute: Callable[[Sequence[Item]], Sequence[Result | SpotOnError]],
        settings: BatchSettings,
        metrics: BatchMetrics,
        *,
        max_batch: int,
    ) -> None:
        """Prepare to compute.

        Args:
            compute: Returns the result of each item, or the error that its caller is
                to meet; called by several threads.
            settings: How items are brought together.
            metrics: Where batches are counted.
            max_batch: Items that `compute` takes at once, at least 1.
        """
        self._compute = compute
        self._settings = settings
        self._metrics = metrics
        self._most = min(settings.max_batch, max_batch)
        # A full queue makes callers wait, so items do not pile up unseen.
        self._queue: asyncio.Queue[tuple[Item, asyncio.Future[Result]]] = asyncio.Queue(
            2 * self._most * settings.threads
        )
        self._pool = ThreadPoolExecutor(settings.threads, "inference")
        self._workers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._workers = [
            asyncio.create_task(self._work(), name=f"batch worker {number}")
            for number in range(self._settings.threads)
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        await end_tasks(*self._workers)
        self._pool.shutdown()

    async def run(self, item: Item) -> Result:
        """Return the result of one item.

        Raises:
            SpotOnError: The computation has no result for this item.
            Exception: Whatever the computation of its batch raised.
        """
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        with self._metrics.waiting.track_inprogress():
            await self._queue.put((item, result))
            return await result

    async def _work(self) -> None:
        """Run batch after batch."""
        loop = asyncio.get_running_loop()
        while True:
            collected = await self._collect()
            # Whoever went away meanwhile costs nothing.
            batch = [(item, result) for item, result in collected if not result.done()]
            if not batch:
                continue
            items = [item for item, _ in batch]
            try:
                computed = await loop.run_in_executor(self._pool, self._run, items)
            except Exception as error:  # noqa: BLE001 - each caller learns of it.
                for _, result in batch:
                    if not result.done():
                        result.set_exception(error)
            else:
                for (_, result), value in zip(batch, computed, strict=True):
                    if result.done():
                        continue
                    if isinstance(value, SpotOnError):
                        result.set_exception(value)
                    else:
                        result.set_result(value)

    async def _collect(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        """Wait for an item, then a little for more."""
        batch = [await self._queue.get()]
        until_s = asyncio.get_running_loop().time() + self._settings.max_wait_s
        while len(batch) < self._most:
            try:
                async with asyncio.timeout_at(until_s):
                    batch.append(await self._queue.get())
            except TimeoutError:
                break
        return batch

    def _run(self, items: Sequence[Item]) -> Sequence[Result | SpotOnError]:
        """Compute one batch, in a thread."""
        self._metrics.size.observe(len(items))
        begin_s = time.perf_counter()
        results = self._compute(items)
        self._metrics.seconds.observe(time.perf_counter() - begin_s)
        return results
