"""Run ONNX networks on the device that was asked for, or as configured on the CPU."""

import contextlib
import functools
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import structlog

from services.common.devices import (
    Device,
    DeviceFailed,
    DeviceSettings,
    DeviceWatch,
    Failover,
    Precision,
    UnusableModel,
)
from services.common.onnx_running import (
    PROVIDERS,
    Array,
    OpenedSession,
    device_failed,
)

__all__ = ["Array", "OnnxNetwork", "TensorSpec"]

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a network says about one of its inputs or outputs.

    Attributes:
        name: Its name.
        dtype: Type of its numbers.
        shape: Length of each axis; None where any length will do.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        lengths = ", ".join("any" if n is None else str(n) for n in self.shape)
        return f"{self.name} ({lengths}) {self.dtype}"


class OnnxNetwork:
    """A network, run by many threads at once, one CPU thread a run.

    Attributes:
        model: Name of the model.
        path: Its file.
        inputs: What it reads.
        outputs: What it answers, in this order.
    """

    def __init__(
        self, model: str, path: Path, settings: DeviceSettings, watch: DeviceWatch
    ) -> None:
        """Load a network.

        Args:
            model: Name of the model.
            path: Its ONNX file, or the folder that holds it beside its weights.
            settings: Where it runs.
            watch: Told on which device it runs.

        Raises:
            UnusableModel: The file is none that ONNX Runtime can run.
            DeviceFailed: The device cannot be used, and there is to be no other.
        """
        self.model = model
        self.path = _onnx_file(model, path)
        self._settings = settings
        self._failover = Failover(model, self._open, settings, watch)
        session = self._failover.session.session
        self.inputs = tuple(self._spec(node) for node in session.get_inputs())
        self.outputs = tuple(self._spec(node) for node in session.get_outputs())
        self._require_precision()

    @property
    def device(self) -> Device:
        """What computes now."""
        return self._failover.device

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Return the outputs, in the order of `outputs`.

        Args:
            feeds: An array for each input, of its dtype.

        Raises:
            DeviceFailed: The device failed, and there is to be no other.
        """
        return self._failover.run(lambda opened: opened.run(feeds))

    def host_buffer(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
        """Return memory of zeros to fill and feed, again and again.

        On an accelerator it is pinned where the runtime offers that, so that it is
        copied without a detour.
        """
        return self._failover.session.host_buffer(shape, dtype)

    def unusable(self, reason: str) -> UnusableModel:
        """Return the error that this network is not what it should be."""
        return UnusableModel(self.model, self.path, reason)

    def _open(self, device: Device) -> OpenedSession:
        """Return a session on a device.

        Raises:
            UnusableModel: The file is none that ONNX Runtime can run.
            DeviceFailed: The device cannot be used.
        """
        provider = PROVIDERS[device]
        if provider not in onnxruntime.get_available_providers():
            raise DeviceFailed(
                f"model {self.model}: {device} cannot be used",
                reason=f"this ONNX Runtime has no {provider}",
            )
        try:
            session = self._session_on(device)
        except Exception as error:
            if device is not Device.CPU and self._runs_on_cpu():
                raise device_failed(self.model, device, error) from error
            raise self.unusable(f"ONNX Runtime refuses it: {error}") from error
        # What was asked for is no answer: a device without libraries is passed over.
        used = session.get_providers()
        if used[0] != provider:
            raise DeviceFailed(
                f"model {self.model}: {device} cannot be used",
                reason=f"ONNX Runtime would run it on {used[0]}; its log says why",
            )
        _log.info("model loaded", model=self.model, file=self.path.name, device=device)
        return OpenedSession(session, self.model, device)

    def _session_on(self, device: Device) -> Any:
        """Return a session that was asked to be on a device."""
        if device is not Device.CPU:
            _load_libraries()
        return onnxruntime.InferenceSession(
            str(self.path),
            _options(),
            providers=self._providers(device),
            enable_fallback=0,
        )

    def _runs_on_cpu(self) -> bool:
        """Tell whether it is the device that fails, and not the file."""
        try:
            self._session_on(Device.CPU)
        except Exception:  # noqa: BLE001 - whatever it is, the file is at fault.
            return False
        return True

    def _providers(self, device: Device) -> list[Any]:
        """Return the execution providers for a device, with their options."""
        if device is not Device.TENSORRT:
            return [PROVIDERS[device]]
        options: dict[str, Any] = {
            "trt_fp16_enable": self._settings.precision is Precision.FLOAT16
        }
        if self._settings.engine_dir is not None:
            folder = self._settings.engine_dir / self.model
            folder.mkdir(parents=True, exist_ok=True)
            options |= {
                "trt_engine_cache_enable": True,
                "trt_engine_cache_path": str(folder),
                "trt_timing_cache_enable": True,
                "trt_timing_cache_path": str(folder),
            }
        # What TensorRT cannot compute stays on the accelerator.
        return [(PROVIDERS[device], options), PROVIDERS[Device.CUDA]]

    def _spec(self, node: Any) -> TensorSpec:
        """Return what the network says about an input or output."""
        dtype = _DTYPES.get(node.type)
        if dtype is None:
            known = ", ".join(_DTYPES)
            raise self.unusable(f"{node.name} must be one of {known}; is {node.type}")
        lengths = (n if isinstance(n, int) else None for n in node.shape)
        return TensorSpec(node.name, np.dtype(dtype), tuple(lengths))

    def _require_precision(self) -> None:
        """Return if the network computes as configured, or TensorRT makes it so."""
        if self._settings.precision is Precision.FLOAT16 and self.device is Device.CUDA:
            read = self.inputs[0].dtype
            if read != np.float16:
                raise self.unusable(
                    f"expected a network of float16, as PRECISION says; it reads "
                    f"{read}. Networks are not converted: export it anew, or use "
                    "tensorrt"
                )


@functools.cache
def _load_libraries() -> None:
    """Load CUDA's libraries from their wheels, where the system has none."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        onnxruntime.preload_dlls()
    for line in said.getvalue().splitlines():
        _log.warning("libraries of the device", detail=line)


def _options() -> Any:
    """Return the options of a session: we bring our own threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return options


def _onnx_file(model: str, path: Path) -> Path:
    """Return the network's file, which may lie in a folder with its weights."""
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.onnx"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise UnusableModel(model, path, f"expected one .onnx file; found {names}")
    return found[0]
