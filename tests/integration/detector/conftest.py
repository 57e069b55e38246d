"""A detector behind a real server on a free port."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from services.common.drain import DrainSignal
from services.common.grpc_client import open_channel
from services.common.grpc_server import running_server
from services.detector.batching import Detector
from services.detector.bootstrap import wired
from services.detector.config import DetectorConfig, load_config
from spoton.detector.v1 import detector_pb2_grpc
from tests.fakes.detector import FakeDetector

Serve = Callable[..., AbstractAsyncContextManager[Any]]


@asynccontextmanager
async def _serve(
    *detectors: Detector,
    config: DetectorConfig | None = None,
    drain: DrainSignal | None = None,
    window: int = 4,
) -> AsyncIterator[Any]:
    """Serve detectors, by default one that needs no model; yield a stub."""
    config = replace(config or load_config({}), window=window, max_images=1)
    drain = drain or DrainSignal(grace_s=5.0)
    async with (
        wired(config, detectors or (FakeDetector(),), drain) as register,
        running_server(register) as address,
        open_channel(address) as channel,
    ):
        yield detector_pb2_grpc.DetectorServiceStub(channel)


@pytest.fixture
def serve() -> Serve:
    """Return what serves a detector and yields a stub."""
    return _serve
