"""Pictures of all callers run together, off the loop."""

import asyncio
import threading

import numpy as np
import pytest

from services.common.batching import BatchSettings
from services.common.ids import ModelId
from services.detector.batching import Batcher
from services.detector.domain.detections import Detections
from services.detector.domain.tiles import RgbImage
from tests.fakes.detector import FakeDetector

MODEL = ModelId("fake")


def picture(width: int = 8) -> RgbImage:
    """Return a white picture; its width is what tells it from others."""
    return np.full((8, width, 3), 255, np.uint8)


async def entered(detector: FakeDetector) -> None:
    """Wait until a batch has begun."""
    assert await asyncio.to_thread(detector.entered.acquire, timeout=10)


async def test_each_caller_gets_its_own() -> None:
    """Of many callers, each is answered for its own picture."""
    async with Batcher(MODEL, FakeDetector(), BatchSettings(threads=2)) as batcher:
        found = await asyncio.gather(
            *(batcher.run(picture(width)) for width in range(1, 30))
        )
    assert [part.boxes_px[0, 2] for part in found] == list(range(1, 30))


async def test_callers_share_a_batch() -> None:
    """What waits while the model is busy runs together, up to its limit."""
    detector = FakeDetector(max_batch=4)
    settings = BatchSettings(max_batch=8, max_wait_s=0.0)
    async with Batcher(MODEL, detector, settings) as batcher:
        detector.gate.clear()
        first = asyncio.create_task(batcher.run(picture()))
        await entered(detector)
        others = [asyncio.create_task(batcher.run(picture())) for _ in range(6)]
        await asyncio.sleep(0)
        detector.gate.set()
        await asyncio.gather(first, *others)
    assert detector.batches == [1, 4, 2]


async def test_a_batch_waits_for_others() -> None:
    """The first picture waits for company until the batch is full."""
    detector = FakeDetector(max_batch=2)
    async with Batcher(MODEL, detector, BatchSettings(max_wait_s=10.0)) as batcher:
        await asyncio.gather(batcher.run(picture()), batcher.run(picture()))
    assert detector.batches == [2]


async def test_single_picture_models_do_not_wait() -> None:
    """A model that takes one picture at a time is not kept waiting for more."""
    detector = FakeDetector(max_batch=1)
    async with Batcher(MODEL, detector, BatchSettings(max_wait_s=60.0)) as batcher:
        async with asyncio.timeout(10):
            await batcher.run(picture())
    assert detector.batches == [1]


async def test_runs_in_other_threads() -> None:
    """The model never runs in the thread of the loop."""
    threads = set()

    def find(_pixels: RgbImage) -> Detections:
        threads.add(threading.get_ident())
        return Detections.none()

    async with Batcher(MODEL, FakeDetector(find), BatchSettings()) as batcher:
        await batcher.run(picture())
    assert threads
    assert threading.get_ident() not in threads


async def test_cancelled_pictures_are_not_run() -> None:
    """A caller that went away before its batch began costs no inference."""
    detector = FakeDetector(max_batch=1)
    async with Batcher(MODEL, detector, BatchSettings()) as batcher:
        detector.gate.clear()
        first = asyncio.create_task(batcher.run(picture()))
        await entered(detector)
        gone = asyncio.create_task(batcher.run(picture()))
        await asyncio.sleep(0)
        gone.cancel()
        detector.gate.set()
        await first
        await batcher.run(picture())
    assert detector.batches == [1, 1]


async def test_failure_reaches_every_caller_and_passes() -> None:
    """All callers of a failed batch learn of it; the next batch runs."""

    def find(pixels: RgbImage) -> Detections:
        if pixels.shape[1] == 1:
            raise RuntimeError("broken")
        return Detections.none()

    settings = BatchSettings(max_wait_s=10.0)
    async with Batcher(MODEL, FakeDetector(find, max_batch=2), settings) as batcher:
        failed = await asyncio.gather(
            batcher.run(picture(1)),
            batcher.run(picture(2)),
            return_exceptions=True,
        )
        assert [str(error) for error in failed] == ["broken", "broken"]
        fine = await asyncio.gather(batcher.run(picture(2)), batcher.run(picture(2)))
    assert [len(part) for part in fine] == [0, 0]


async def test_full_queue_makes_callers_wait() -> None:
    """Callers beyond the queue wait for room instead of piling up."""
    detector = FakeDetector(max_batch=1)
    async with Batcher(MODEL, detector, BatchSettings()) as batcher:
        detector.gate.clear()
        calls = [asyncio.create_task(batcher.run(picture())) for _ in range(20)]
        await entered(detector)
        assert batcher._queue.full()
        detector.gate.set()
        await asyncio.gather(*calls)
    assert sum(detector.batches) == 20


@pytest.mark.parametrize("threads", [1, 3])
async def test_as_many_batches_as_threads(threads: int) -> None:
    """Each inference thread runs a batch of its own."""
    detector = FakeDetector(max_batch=1)
    async with Batcher(MODEL, detector, BatchSettings(threads=threads)) as batcher:
        detector.gate.clear()
        calls = [asyncio.create_task(batcher.run(picture())) for _ in range(6)]
        for _ in range(threads):
            await entered(detector)
        assert len(detector.batches) == threads
        detector.gate.set()
        await asyncio.gather(*calls)
