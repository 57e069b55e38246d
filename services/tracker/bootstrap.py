"""The only place where objects are wired."""

from collections.abc import Callable, Sequence
from functools import partial

from grpc import aio

from services.common.drain import DrainSignal
from services.common.environ import ConfigError
from services.common.errors import NotReady
from services.common.grpc_server import serve
from services.tracker.adapters import boxmot_kinds, boxmot_library
from services.tracker.adapters.boxmot_tracker import BoxmotTracker
from services.tracker.config import TrackerConfig
from services.tracker.domain.native import NATIVE, NativeTracker
from services.tracker.domain.tracker import TrackerDescription
from services.tracker.grpc_api import registration
from services.tracker.service import TrackerKind, TrackerService
from services.tracker.track_stream import StreamLimits

_NATIVE = TrackerKind(
    TrackerDescription(
        NATIVE, uses_appearance=True, needs_appearance=False, licence="Apache-2.0"
    ),
    NativeTracker,
    slow_from=100,
)


def build(
    config: TrackerConfig, drain: DrainSignal
) -> Callable[[aio.Server], Sequence[str]]:
    """Return what adds the configured service to a server.

    Raises:
        ConfigError: The default tracker cannot be built.
    """
    trackers = {NATIVE: _NATIVE}
    missing: dict[str, str] = {}
    if boxmot_library.is_installed():
        trackers |= {name: _boxmot_kind(name) for name in boxmot_kinds.KINDS}
    else:
        missing = dict.fromkeys(boxmot_kinds.KINDS, boxmot_library.HOW_TO_INSTALL)
    service = TrackerService(
        trackers,
        missing,
        default_tracker=config.default_tracker,
        coast_s=config.coast_s,
        checkpoint_interval=config.checkpoint_interval,
    )
    try:
        service.require_default()
    except NotReady as error:
        raise ConfigError(f"SPOTON_TRACKER_DEFAULT: {error.message}") from None
    limits = StreamLimits(
        window=config.window,
        opening_timeout_s=config.opening_timeout_s,
        vectors_timeout_s=config.vectors_timeout_s,
    )
    return registration(service, limits, drain)


def _boxmot_kind(name: str) -> TrackerKind:
    """Return a tracker of BoxMOT as one of those that streams may choose."""
    kind = boxmot_kinds.KINDS[name]
    description = TrackerDescription(
        name,
        uses_appearance=kind.appearance,
        needs_appearance=kind.needs_appearance,
        licence=boxmot_kinds.LICENCE,
    )
    # Even a frame without detections takes it a millisecond.
    return TrackerKind(description, partial(BoxmotTracker, kind), slow_from=0)


async def run(config: TrackerConfig) -> None:
    """Serve until told to stop."""
    drain = DrainSignal(
        grace_s=config.server.drain_grace_s, max_stream_age_s=config.max_stream_age_s
    )
    await serve(config.server, build(config, drain), drain)
