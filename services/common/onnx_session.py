"""Open ONNX models on the device that was asked for, or not at all."""

from pathlib import Path
from typing import Any

import onnxruntime
import structlog

from services.common.errors import Unavailable

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

_log = structlog.get_logger(__name__)


def open_session(path: Path, device: str) -> Any:
    """Return a session on the device, one thread a run: we bring our own threads.

    Raises:
        Unavailable: The session fell back to another device.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    provider = _PROVIDERS[device]
    session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
    # What was asked for is no answer: without CUDA the session falls back silently.
    used = session.get_providers()
    _log.info("model loaded", file=path.name, providers=used)
    if used[0] != provider:
        raise Unavailable(f"{device} cannot be used; the model would run on {used[0]}")
    return session
