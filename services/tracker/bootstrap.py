"""The only place where objects are wired."""

from collections.abc import Callable, Sequence

from grpc import aio

from services.common.drain import DrainSignal
from services.common.grpc_server import serve
from services.tracker.config import TrackerConfig
from services.tracker.domain.native import NATIVE, NativeTracker
from services.tracker.grpc_api import registration
from services.tracker.service import TrackerService
from services.tracker.track_stream import StreamLimits


def build(
    config: TrackerConfig, drain: DrainSignal
) -> Callable[[aio.Server], Sequence[str]]:
    """Return what adds the configured service to a server."""
    service = TrackerService(
        {NATIVE: NativeTracker},
        default_tracker=config.default_tracker,
        coast_s=config.coast_s,
        checkpoint_interval=config.checkpoint_interval,
    )
    limits = StreamLimits(
        window=config.window,
        opening_timeout_s=config.opening_timeout_s,
        vectors_timeout_s=config.vectors_timeout_s,
    )
    return registration(service, limits, drain)


async def run(config: TrackerConfig) -> None:
    """Serve until told to stop."""
    drain = DrainSignal(
        grace_s=config.server.drain_grace_s, max_stream_age_s=config.max_stream_age_s
    )
    await serve(config.server, build(config, drain), drain)
