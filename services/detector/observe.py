"""What the detector counts and times."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram

from services.common.errors import InvalidInput, NotFound, Overloaded

BATCH_SIZE = Histogram(
    "spoton_detector_batch_size",
    "Pictures run through the model at once.",
    ("model",),
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
INFERENCE_SECONDS = Histogram(
    "spoton_detector_inference_seconds",
    "Duration of one batch in the model.",
    ("model",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
WAITING = Gauge(
    "spoton_detector_pictures_waiting",
    "Pictures that wait for the model or are in it.",
    ("model",),
)
FRAMES = Counter(
    "spoton_detector_frames_total",
    "Frames and single images, by outcome: detected, refused, failed, cancelled.",
    ("outcome",),
)
BROKEN_ANSWERS = Counter(
    "spoton_detector_broken_answers_total",
    "Pictures for which the model answered NaN or infinity.",
    ("model",),
)
DEVICE = Gauge(
    "spoton_detector_device",
    "1 for the device that a model runs on, 0 for the others.",
    ("model", "device"),
)


@contextmanager
def outcome_counted() -> Iterator[None]:
    """Count how one frame or single image ends."""
    outcome = "failed"
    try:
        yield
        outcome = "detected"
    except (InvalidInput, NotFound, Overloaded):
        outcome = "refused"
        raise
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    finally:
        FRAMES.labels(outcome).inc()
