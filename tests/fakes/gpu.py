"""An accelerator that is none: the CPU under another name, which fails when told to."""

from typing import Any

import onnxruntime
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, RuntimeException

CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
CPU = "CPUExecutionProvider"
PINNED = "memory that CUDA reads directly"

# What ONNX Runtime raises, word for word but for paths and hosts.
_RUN = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while "
    "running"
)
_CALL = "[ONNXRuntimeError] : 1 : FAIL : cuda_call.cc:121 onnxruntime::CudaCall "
OUT_OF_MEMORY = RuntimeException(
    f"{_RUN} Conv node. Name:'/stem/Conv' Status Message: bfc_arena.cc:376 void* "
    "onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate "
    "memory for requested buffer of size 8388608000"
)
OUT_OF_MEMORY_AT_START = Fail(
    f"{_CALL}CUDA failure 2: out of memory ; GPU=0 ; hostname=h ; "
    "expr=cudaStreamCreateWithFlags(&stream)"
)
LOST = Fail(
    f"{_CALL}CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; "
    "hostname=h ; expr=cudaStreamSynchronize(stream)"
)
LIBRARY = RuntimeException(
    f"{_RUN} FusedConv node. Name:'Conv_0' Status Message: CUDNN failure 4: "
    "CUDNN_STATUS_INTERNAL_ERROR ; GPU=0 ; hostname=h ; expr=cudnnConvolutionForward()"
)
WRONG_SHAPE = RuntimeException(
    f"{_RUN} Reshape node. Name:'r' Status Message: providers/cuda/reshape.cc "
    "the input tensor cannot be reshaped to the requested shape"
)


class FakeGpu:
    """Sessions and memory of an accelerator, kept on the CPU.

    Attributes:
        at_open: Raised when a session is opened on the accelerator.
        at_run: Raised by every run on the accelerator.
        passed_over: Whether sessions come back on the CPU, as without CUDA's libraries.
        opened: Providers of each session that was opened, with their options.
        allocated: Shape of each piece of memory of the accelerator.
        pinned: Shape of each piece of pinned memory of the host.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the place of the real runtime until the test ends."""
        self.at_open: Exception | None = None
        self.at_run: Exception | None = None
        self.passed_over = False
        self.opened: list[list[Any]] = []
        self.allocated: list[tuple[int, ...]] = []
        self.pinned: list[tuple[int, ...]] = []
        self._session = onnxruntime.InferenceSession
        self._allocate = onnxruntime.OrtValue.ortvalue_from_shape_and_type
        monkeypatch.setattr(
            onnxruntime, "get_available_providers", lambda: [TENSORRT, CUDA, CPU]
        )
        monkeypatch.setattr(onnxruntime, "get_ep_devices", lambda: [_Hardware()])
        monkeypatch.setattr(onnxruntime, "InferenceSession", self._open)
        monkeypatch.setattr(
            onnxruntime.OrtValue, "ortvalue_from_shape_and_type", self._memory
        )

    def _open(
        self, path: str, options: Any, *, providers: list[Any], enable_fallback: int
    ) -> Any:
        assert not enable_fallback
        self.opened.append(providers)
        names = [p if isinstance(p, str) else p[0] for p in providers]
        if names[0] != CPU and self.at_open is not None:
            raise self.at_open
        real = self._session(path, options, providers=[CPU])
        if names[0] == CPU or self.passed_over:
            return real
        return _Session(real, names, self)

    def _memory(
        self, shape: Any, dtype: Any, device: str = "cpu", *, memory_info: Any = None
    ) -> Any:
        if memory_info is None:
            assert device == "cuda"
            self.allocated.append(tuple(shape))
        else:
            assert memory_info == PINNED
            self.pinned.append(tuple(shape))
        return self._allocate(shape, dtype)


class _Hardware:
    """An accelerator, as the runtime lists it."""

    ep_name = CUDA

    def memory_info(self, kind: Any) -> str:
        assert kind == onnxruntime.OrtDeviceMemoryType.HOST_ACCESSIBLE
        return PINNED


class _Session:
    """A session on the CPU that says it is elsewhere."""

    def __init__(self, real: Any, providers: list[str], gpu: FakeGpu) -> None:
        self._real = real
        self._providers = providers
        self._gpu = gpu

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def get_providers(self) -> list[str]:
        return [*self._providers, CPU]

    def io_binding(self) -> Any:
        return _Binding(self._real.io_binding())

    def run_with_iobinding(self, binding: Any) -> None:
        if self._gpu.at_run is not None:
            raise self._gpu.at_run
        self._real.run_with_iobinding(binding.real)

    def run(self, *_: Any) -> Any:
        raise AssertionError("an accelerator is fed by bound memory")


class _Binding:
    """A binding of memory that is said to be elsewhere."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def bind_output(self, name: str, device: str) -> None:
        assert device == "cuda"
        self.real.bind_output(name, "cpu")
