"""Load a model of the registry into the backend that runs it."""

from pathlib import Path

from services.common.devices import (
    Device,
    DeviceFailed,
    DeviceSettings,
    DeviceWatch,
    Failover,
)
from services.common.errors import InvalidInput
from services.common.models import (
    DetectorBackend,
    DetectorEntry,
    DetectorHead,
    locate_and_log,
)
from services.detector.adapters.heads import HEADS
from services.detector.adapters.litert import LiteRtDetector
from services.detector.adapters.onnx import OnnxDetector
from services.detector.batching import Detector
from services.detector.domain.geometry import Size

_BACKEND_HEADS = {
    DetectorBackend.LITERT: {DetectorHead.MOVENET},
    DetectorBackend.ONNX: set(HEADS),
    DetectorBackend.TRANSFORMERS: {DetectorHead.RTDETR},
}


def load_detector(
    entry: DetectorEntry,
    settings: DeviceSettings,
    watch: DeviceWatch,
    *,
    model_dir: Path | None,
    cache_dir: Path,
    threads: int,
) -> Detector:
    """Find a model's files and load them.

    Args:
        entry: The model, input size as configured.
        settings: Where it runs.
        watch: Told on which device it runs.
        model_dir: The user's files; None when there are none.
        cache_dir: Where fetched files are kept.
        threads: Batches that may run at a time.

    Raises:
        WrongHash: A file is not the one of the registry.
        Unavailable: A file cannot be had, or the device cannot be used.
        InvalidInput: The files are none that run, or do not fit the entry.
        NotReady: A package is not installed.
    """
    _require_head(entry)
    if entry.backend is DetectorBackend.TRANSFORMERS:
        # Imports torch, which only this backend needs. Where it is not installed, that
        # is told before anything is fetched.
        from services.detector.adapters.transformers import TransformersDetector
    path = locate_and_log(entry, model_dir, cache_dir).path
    if entry.backend is DetectorBackend.LITERT:
        return _load_litert(entry, path, settings, watch, threads)
    if entry.backend is DetectorBackend.ONNX:
        return OnnxDetector(path, entry, settings, watch)
    return TransformersDetector(path, entry, settings, watch)


def _require_head(entry: DetectorEntry) -> None:
    """Raise InvalidInput if the backend cannot run networks of this head."""
    heads = _BACKEND_HEADS[entry.backend]
    if entry.head not in heads:
        raise InvalidInput(
            f"must be {' or '.join(sorted(heads))} for backend {entry.backend}; is "
            f"{entry.head}",
            field=f"{entry.model_id}.head",
        )


def _load_litert(
    entry: DetectorEntry,
    path: Path,
    settings: DeviceSettings,
    watch: DeviceWatch,
    threads: int,
) -> Detector:
    """Return MoveNet, which runs on the CPU only."""

    def open_on(device: Device) -> LiteRtDetector:
        if device is not Device.CPU:
            raise DeviceFailed(
                f"model {entry.model_id}: {device} cannot be used",
                reason="LiteRT runs on the CPU only",
            )
        return LiteRtDetector(
            path,
            entry.model_id,
            input_size=Size(entry.input_width_px, entry.input_height_px),
            least_score=entry.low_score,
            threads=threads,
        )

    return Failover(entry.model_id, open_on, settings, watch).session
