"""What the detector counts and times."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Histogram

from services.common.errors import SpotOnError

BATCH_SIZE = Histogram(
    "spoton_detector_batch_size",
    "Pictures run through the model at once.",
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
INFERENCE_SECONDS = Histogram(
    "spoton_detector_inference_seconds",
    "Duration of one batch in the model.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
FRAMES = Counter(
    "spoton_detector_frames_total",
    "Frames and single images, by outcome: detected, refused, failed, cancelled.",
    ("outcome",),
)


@contextmanager
def outcome_counted() -> Iterator[None]:
    """Count how one frame or single image ends."""
    outcome = "failed"
    try:
        yield
        outcome = "detected"
    except SpotOnError:
        outcome = "refused"
        raise
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    finally:
        FRAMES.labels(outcome).inc()
