"""What the detector is told by its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from services.common.batching import BatchSettings
from services.common.devices import Device, DeviceSettings, device_settings
from services.common.environ import ConfigError, Environ
from services.common.errors import NotFound
from services.common.grpc_server import ServerSettings
from services.common.images import DEFAULT_MAX_PIXELS
from services.common.models import DetectorEntry, cache_dir, load_registry, model_dir
from services.detector.domain.geometry import Size

DEFAULT_PORT = 7101
DEFAULT_MODEL = "movenet-multipose"


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """Configuration of the detector.

    Attributes:
        server: Where it listens.
        models: The models, the default first; input size and tile policy of the
            default as configured.
        devices: Where they run.
        model_dir: Model files that the user supplies; None when there are none.
        cache_dir: Where fetched model files are kept.
        batching: How pictures are brought together.
        window: Frames of one stream that may be unanswered.
        max_image_pixels: Largest image that is decoded.
        max_images: Single images that may be searched at a time.
        max_stream_age_s: Age at which a stream is asked to reopen, seconds.
    """

    server: ServerSettings
    models: tuple[DetectorEntry, ...]
    devices: DeviceSettings
    model_dir: Path | None
    cache_dir: Path
    batching: BatchSettings
    window: int
    max_image_pixels: int
    max_images: int
    max_stream_age_s: float

    @property
    def input_size(self) -> Size:
        """Largest tile that the default model reads."""
        return Size(self.models[0].input_width_px, self.models[0].input_height_px)


def load_config(variables: Mapping[str, str] | None = None) -> DetectorConfig:
    """Read the configuration.

    Args:
        variables: The environment; absent means that of the process.

    Raises:
        ConfigError: A variable has a value that cannot be used.
    """
    environ = Environ("SPOTON_DETECTOR_", variables)
    devices = device_settings(environ, cache_dir())
    return DetectorConfig(
        server=environ.server_settings(DEFAULT_PORT),
        models=_models(environ),
        devices=devices,
        model_dir=model_dir(),
        cache_dir=cache_dir(),
        batching=BatchSettings(
            max_batch=environ.integer("MAX_BATCH", 8, least=1, most=64),
            max_wait_s=environ.number("MAX_WAIT_S", 0.002, most=1.0),
            threads=environ.integer(
                "INFERENCE_THREADS", _default_threads(devices), least=1, most=256
            ),
        ),
        window=environ.integer("WINDOW", 8, least=1, most=1024),
        max_image_pixels=environ.integer("MAX_IMAGE_PIXELS", DEFAULT_MAX_PIXELS),
        max_images=environ.integer("MAX_IMAGES", 8, least=1),
        max_stream_age_s=environ.number("MAX_STREAM_AGE_S", 1800.0, least=1.0),
    )


def _default_threads(devices: DeviceSettings) -> int:
    """Return as many as there are cores, or what keeps an accelerator busy."""
    if devices.device is Device.CPU:
        return os.cpu_count() or 1
    # One prepares a batch while the other computes; each holds memory of the device.
    return 2


def _models(environ: Environ) -> tuple[DetectorEntry, ...]:
    """Return the entries that MODEL names, the first with what else is configured."""
    names = [name.strip() for name in environ.text("MODEL", DEFAULT_MODEL).split(",")]
    if len(set(names)) < len(names):
        raise ConfigError("SPOTON_DETECTOR_MODEL names a model twice")
    registry = load_registry()
    try:
        first, *others = (registry.detector(name) for name in names)
    except NotFound as error:
        raise ConfigError(f"SPOTON_DETECTOR_MODEL: {error}") from error
    return (_configured(first, environ), *others)


def _configured(entry: DetectorEntry, environ: Environ) -> DetectorEntry:
    """Return the default model's entry with what the environment changes."""
    # An entry of unequal sides keeps them unless a side is asked for.
    longest = max(entry.input_width_px, entry.input_height_px)
    side = environ.integer("INPUT_SIZE", longest, least=32, most=4096)
    width, height = entry.input_width_px, entry.input_height_px
    return replace(
        entry,
        input_width_px=width if side == longest else side,
        input_height_px=height if side == longest else side,
        tile_columns=environ.integer(
            "TILE_COLUMNS", entry.tile_columns, least=1, most=8
        ),
        tile_rows=environ.integer("TILE_ROWS", entry.tile_rows, least=1, most=8),
        tile_overlap=environ.number("TILE_OVERLAP", entry.tile_overlap, most=0.5),
    )
