"""Wire the detector together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from grpc import aio

from services.common.device_watch import DeviceReport
from services.common.drain import DrainSignal
from services.common.grpc_server import Register, serve
from services.common.models import DetectorEntry
from services.detector.adapters.cutting import cut_tiles
from services.detector.adapters.loading import load_detector
from services.detector.batching import Batcher, Detector
from services.detector.config import DetectorConfig
from services.detector.domain.tiles import TilePolicy
from services.detector.grpc_api import DetectorServicer
from services.detector.observe import DEVICE
from services.detector.served import ServedModel, ServedModels
from services.detector.service import DetectionService, ImageSlots
from spoton.detector.v1 import detector_pb2, detector_pb2_grpc

SERVICE = detector_pb2.DESCRIPTOR.services_by_name["DetectorService"].full_name


def load_detectors(config: DetectorConfig, report: DeviceReport) -> Sequence[Detector]:
    """Load every configured model, in the order of the configuration.

    Raises:
        WrongHash: A file is not the one of the registry.
        Unavailable: A file cannot be had, or the device cannot be used.
        InvalidInput: A file is none that runs, or does not fit its entry.
        NotReady: A package is not installed.
    """
    return [
        load_detector(
            entry,
            config.devices,
            report,
            model_dir=config.model_dir,
            cache_dir=config.cache_dir,
            threads=config.batching.threads,
        )
        for entry in config.models
    ]


@asynccontextmanager
async def wired(
    config: DetectorConfig, detectors: Sequence[Detector], drain: DrainSignal
) -> AsyncIterator[Register]:
    """Run detectors behind a servicer while the context is open.

    Args:
        config: Configuration; its models describe `detectors`, in this order.
        detectors: The models, loaded.
        drain: When streams are to move away.

    Yields:
        What adds the service to a server.
    """
    async with AsyncExitStack() as stack:
        models = [
            ServedModel(
                entry,
                _service(
                    entry,
                    detector,
                    await stack.enter_async_context(
                        Batcher(entry.model_id, detector, config.batching)
                    ),
                ),
            )
            for entry, detector in zip(config.models, detectors, strict=True)
        ]
        servicer = DetectorServicer(
            ServedModels(models),
            ImageSlots(config.max_images),
            drain,
            window=config.window,
            max_pixels=config.max_image_pixels,
        )

        def register(server: aio.Server) -> Sequence[str]:
            detector_pb2_grpc.add_DetectorServiceServicer_to_server(servicer, server)
            return (SERVICE,)

        yield register


def _service(
    entry: DetectorEntry, detector: Detector, batcher: Batcher
) -> DetectionService:
    """Return what finds people with one model."""
    policy = TilePolicy(entry.tile_columns, entry.tile_rows, entry.tile_overlap)
    return DetectionService(
        batcher,
        partial(cut_tiles, policy=policy, input_size=detector.input_size),
        input_size=detector.input_size,
    )


async def run(config: DetectorConfig) -> None:
    """Serve until told to stop, or until a model cannot run any more."""
    drain = DrainSignal(
        grace_s=config.server.drain_grace_s, max_stream_age_s=config.max_stream_age_s
    )
    report = DeviceReport(DEVICE)
    detectors = load_detectors(config, report)
    async with wired(config, detectors, drain) as register:
        await report.guard(serve(config.server, register, drain))
