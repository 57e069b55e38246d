"""Wire the detector together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import structlog
from grpc import aio

from services.common.drain import DrainSignal
from services.common.grpc_server import Register, serve
from services.common.models import DetectorBackend, locate
from services.detector.adapters.cutting import cut_tiles
from services.detector.adapters.litert import LiteRtDetector
from services.detector.adapters.onnx import OnnxDetector
from services.detector.batching import Batcher, Detector
from services.detector.config import DetectorConfig
from services.detector.grpc_api import DetectorServicer
from services.detector.service import DetectionService
from spoton.detector.v1 import detector_pb2, detector_pb2_grpc

SERVICE = detector_pb2.DESCRIPTOR.services_by_name["DetectorService"].full_name

_log = structlog.get_logger(__name__)


def load_detector(config: DetectorConfig) -> Detector:
    """Find the model's file and load it into the backend that runs it.

    Raises:
        WrongHash: The file is not the one of the registry.
        Unavailable: The file cannot be had, or the device cannot be used.
        InvalidInput: The model cannot read the configured input size.
    """
    model = config.model
    located = locate(model, config.model_dir, config.cache_dir, report=_log.info)
    if model.backend is DetectorBackend.LITERT:
        return LiteRtDetector(
            located.path,
            input_size=config.input_size,
            least_score=model.low_score,
            threads=config.batching.threads,
        )
    return OnnxDetector(
        located.path,
        input_size=config.input_size,
        least_score=model.low_score,
        device=config.device,
    )


@asynccontextmanager
async def wired(
    config: DetectorConfig, detector: Detector, drain: DrainSignal
) -> AsyncIterator[Register]:
    """Run a detector behind its servicer while the context is open.

    Args:
        config: Configuration; its model describes `detector`.
        detector: The model, loaded.
        drain: When streams are to move away.

    Yields:
        What adds the service to a server.
    """
    async with Batcher(detector, config.batching) as batcher:
        service = DetectionService(
            batcher,
            partial(
                cut_tiles, policy=config.tile_policy, input_size=detector.input_size
            ),
            input_size=detector.input_size,
            max_images=config.max_images,
        )
        servicer = DetectorServicer(
            service,
            config.model,
            drain,
            window=config.window,
            max_pixels=config.max_image_pixels,
        )

        def register(server: aio.Server) -> Sequence[str]:
            detector_pb2_grpc.add_DetectorServiceServicer_to_server(servicer, server)
            return (SERVICE,)

        yield register


async def run(config: DetectorConfig) -> None:
    """Serve until told to stop."""
    drain = DrainSignal(
        grace_s=config.server.drain_grace_s, max_stream_age_s=config.max_stream_age_s
    )
    detector = load_detector(config)
    async with wired(config, detector, drain) as register:
        await serve(config.server, register, drain)
