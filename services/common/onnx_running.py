"""Run an opened ONNX session, and tell a failure of its device from its own."""

import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from services.common.devices import Device, DeviceFailed

Array = NDArray[Any]

PROVIDERS = {
    Device.CPU: "CPUExecutionProvider",
    Device.CUDA: "CUDAExecutionProvider",
    Device.TENSORRT: "TensorrtExecutionProvider",
}
"""What ONNX Runtime calls the devices."""

# ONNX Runtime has no class of its own for what a device does: the text tells, such as
# "CUDA failure 700: an illegal memory access was encountered ; GPU=0" or "BFCArena
# Failed to allocate memory for requested buffer" (onnxruntime issues 16307, 26312).
_DEVICE_FAILURE = re.compile(
    r"CUDA (failure|error)|CUDNN|CUBLAS|CUFFT|cudaError|Cuda Error|TensorRT EP|"
    r"out of memory|Failed to allocate memory|DEVICE_RESET|EP_FAIL"
)


class OpenedSession:
    """A session on a device, and what each thread keeps for it."""

    def __init__(self, session: Any, model: str, device: Device) -> None:
        """Take a session of ONNX Runtime.

        Args:
            session: It, open on the device.
            model: Name of the model.
            device: What computes.
        """
        self.session = session
        self._model = model
        self._device = device
        self._of_thread = threading.local()

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Return the outputs.

        Raises:
            DeviceFailed: The device failed.
        """
        if self._device is Device.CPU:
            return list(self.session.run(None, feeds))
        try:
            return self._run_bound(feeds)
        except Exception as error:
            if _DEVICE_FAILURE.search(str(error)):
                raise device_failed(self._model, self._device, error) from error
            raise

    def _run_bound(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Run with inputs in memory of the device that is kept from run to run."""
        binding = self.session.io_binding()
        for name, array in feeds.items():
            held = self._device_memory(name, array)
            held.update_inplace(array)
            binding.bind_ortvalue_input(name, held)
        for output in self.session.get_outputs():
            binding.bind_output(output.name, "cuda")
        self.session.run_with_iobinding(binding)
        return list(binding.copy_outputs_to_cpu())

    def _device_memory(self, name: str, array: Array) -> Any:
        """Return this thread's memory on the device for an input of this shape."""
        held: dict[Any, Any] | None = getattr(self._of_thread, "inputs", None)
        if held is None:
            held = self._of_thread.inputs = {}
        key = (name, array.shape)
        if key not in held:
            held[key] = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
                array.shape, array.dtype.type, "cuda"
            )
        return held[key]

    def host_buffer(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
        """Return zeros in memory of the host."""
        memory = self._pinned_memory()
        if memory is None:
            return np.zeros(shape, dtype)
        value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
            shape, dtype.type, memory_info=memory
        )
        pinned: Array = value.numpy()
        pinned[...] = 0
        return pinned

    def _pinned_memory(self) -> Any:
        """Return the kind of host memory that the device reads directly, or None."""
        if self._device is Device.CPU:
            return None
        kind = onnxruntime.OrtDeviceMemoryType.HOST_ACCESSIBLE
        kinds = (
            device.memory_info(kind)
            for device in onnxruntime.get_ep_devices()
            if device.ep_name == PROVIDERS[self._device]
        )
        return next((memory for memory in kinds if memory is not None), None)


def device_failed(model: str, device: Device, error: Exception) -> DeviceFailed:
    """Return the error that a device failed."""
    return DeviceFailed(f"model {model}: {device} failed", reason=str(error))
