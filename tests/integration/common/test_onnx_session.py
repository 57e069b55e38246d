"""Networks run on the device that was asked for, and what happens when it fails."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from services.common.devices import (
    Device,
    DeviceFailed,
    DeviceSettings,
    Fallback,
    Precision,
    UnusableModel,
)
from services.common.onnx_session import OnnxNetwork
from tests.fakes.devices import SeenDevices
from tests.fakes.gpu import (
    CPU,
    CUDA,
    LIBRARY,
    LOST,
    OUT_OF_MEMORY,
    OUT_OF_MEMORY_AT_START,
    TENSORRT,
    WRONG_SHAPE,
    FakeGpu,
)
from tests.fakes.networks import write_network

ON_CUDA = DeviceSettings(Device.CUDA)
OR_CPU = DeviceSettings(Device.CUDA, fallback=Fallback.CPU)
RUN_FAILURES = pytest.mark.parametrize(
    "error", [OUT_OF_MEMORY, LOST, LIBRARY], ids=["memory", "lost", "cudnn"]
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a network that answers the mean of each picture."""
    one = np.ones(1, np.float32)
    return write_network(tmp_path / "mean.onnx", {"mean0": one * 0}, lit={"mean0": one})


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    """Return an accelerator that fails when told to."""
    return FakeGpu(monkeypatch)


def pictures(*levels: float) -> dict[str, np.ndarray]:
    """Return an input in which each picture has one level."""
    batch = np.empty((len(levels), 3, 64, 96), np.float32)
    batch[:] = np.array(levels, np.float32)[:, None, None, None]
    return {"images": batch}


def answered(network: OnnxNetwork, *levels: float) -> list[float]:
    """Return what a network answers for some pictures."""
    (output,) = network.run(pictures(*levels))
    return [round(float(value), 3) for value in output[:, 0]]


@pytest.mark.skipif(
    CUDA in onnxruntime.get_available_providers(), reason="CUDA may be present"
)
@pytest.mark.parametrize("device", [Device.CUDA, Device.TENSORRT])
def test_a_runtime_without_the_device_says_so(path: Path, device: Device) -> None:
    """The real runtime for the CPU ends with an error that names the provider."""
    with pytest.raises(DeviceFailed, match=f"model m: {device}.*ExecutionProvider"):
        OnnxNetwork("m", path, DeviceSettings(device), SeenDevices())


@pytest.mark.skipif(
    CUDA in onnxruntime.get_available_providers(), reason="CUDA may be present"
)
def test_a_runtime_without_the_device_falls_back_if_told_to(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With FALLBACK=cpu the real runtime runs on the CPU, warns, and reports it."""
    watch = SeenDevices()
    network = OnnxNetwork("m", path, OR_CPU, watch)
    assert answered(network, 1, 2) == [1, 2]
    assert watch.devices == [("m", Device.CPU)]
    logged = capsys.readouterr().out
    assert "warning" in logged
    assert "device failed" in logged


def test_memory_of_the_device_is_used_again(path: Path, gpu: FakeGpu) -> None:
    """Inputs go through memory that is allocated once for each shape and thread."""
    watch = SeenDevices()
    network = OnnxNetwork("m", path, ON_CUDA, watch)
    for levels in ((1.0, 2.0), (3.0, 4.0), (5.0,), (6.0, 7.0)):
        assert answered(network, *levels) == list(levels)
    assert gpu.allocated == [(2, 3, 64, 96), (1, 3, 64, 96)]
    assert watch.devices == [("m", Device.CUDA)]


def test_host_memory_is_pinned_for_an_accelerator(path: Path, gpu: FakeGpu) -> None:
    """What is filled and fed again and again is pinned where the runtime offers it."""
    network = OnnxNetwork("m", path, ON_CUDA, SeenDevices())
    buffer = network.host_buffer((2, 3, 64, 96), np.dtype(np.float32))
    assert not buffer.any()
    buffer[:] = 4
    (answer,) = network.run({"images": buffer})
    assert answer[:, 0].tolist() == [4, 4]
    assert gpu.pinned == [(2, 3, 64, 96)]


def test_threads_do_not_share_memory(path: Path, gpu: FakeGpu) -> None:
    """What many threads run at once does not mix."""
    network = OnnxNetwork("m", path, ON_CUDA, SeenDevices())
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda level: answered(network, level), range(40)))
    assert found == [[level] for level in range(40)]


def test_a_session_that_came_back_elsewhere_is_an_error(
    path: Path, gpu: FakeGpu
) -> None:
    """Without CUDA's libraries the runtime opens on the CPU: that is refused."""
    gpu.passed_over = True
    with pytest.raises(DeviceFailed, match=f"would run it on {CPU}"):
        OnnxNetwork("m", path, ON_CUDA, SeenDevices())


def test_memory_that_is_short_at_start_is_an_error(path: Path, gpu: FakeGpu) -> None:
    """A device out of memory at start ends the start, or the CPU takes over."""
    gpu.at_open = OUT_OF_MEMORY_AT_START
    with pytest.raises(DeviceFailed, match="out of memory"):
        OnnxNetwork("m", path, ON_CUDA, SeenDevices())
    watch = SeenDevices()
    assert answered(OnnxNetwork("m", path, OR_CPU, watch), 3) == [3]
    assert watch.devices == [("m", Device.CPU)]


@RUN_FAILURES
def test_a_lost_device_ends_the_model(
    path: Path, gpu: FakeGpu, error: Exception
) -> None:
    """With FALLBACK=fail a failed device is told once, and nothing runs any more."""
    watch = SeenDevices()
    network = OnnxNetwork("m", path, ON_CUDA, watch)
    assert answered(network, 1) == [1]
    gpu.at_run = error
    for _ in range(3):
        with pytest.raises(DeviceFailed, match="model m: cuda failed"):
            network.run(pictures(1))
    # The device came back, but a service that reported its end does not.
    gpu.at_run = None
    with pytest.raises(DeviceFailed):
        network.run(pictures(1))
    assert len(watch.failures) == 1


@RUN_FAILURES
def test_a_lost_device_is_replaced(path: Path, gpu: FakeGpu, error: Exception) -> None:
    """With FALLBACK=cpu the batch at hand is computed on the CPU, and all after it."""
    watch = SeenDevices()
    network = OnnxNetwork("m", path, OR_CPU, watch)
    gpu.at_run = error
    assert answered(network, 5, 6) == [5, 6]
    assert answered(network, 7) == [7]
    assert network.device is Device.CPU
    assert watch.devices == [("m", Device.CUDA), ("m", Device.CPU)]
    assert not watch.failures
    assert [providers[0] for providers in gpu.opened] == [CUDA, CPU]


def test_many_threads_replace_a_device_once(path: Path, gpu: FakeGpu) -> None:
    """Of the threads that meet one failure, one opens the network again."""
    network = OnnxNetwork("m", path, OR_CPU, SeenDevices())
    gpu.at_run = LOST
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda level: answered(network, level), range(40)))
    assert found == [[level] for level in range(40)]
    assert len(gpu.opened) == 2


def test_a_fault_of_the_network_is_not_the_device(path: Path, gpu: FakeGpu) -> None:
    """An error of the network itself is passed on, and the device is kept."""
    watch = SeenDevices()
    network = OnnxNetwork("m", path, OR_CPU, watch)
    gpu.at_run = WRONG_SHAPE
    with pytest.raises(type(WRONG_SHAPE), match="cannot be reshaped"):
        network.run(pictures(1))
    assert network.device is Device.CUDA


def test_tensorrt_keeps_its_engines(path: Path, gpu: FakeGpu, tmp_path: Path) -> None:
    """TensorRT is told where to keep engines, its precision, and CUDA for the rest."""
    settings = DeviceSettings(
        Device.TENSORRT, Precision.FLOAT16, engine_dir=tmp_path / "engines"
    )
    assert answered(OnnxNetwork("m", path, settings, SeenDevices()), 4) == [4]
    ((name, options), rest) = gpu.opened[0]
    assert (name, rest) == (TENSORRT, CUDA)
    assert options["trt_fp16_enable"] is True
    assert options["trt_engine_cache_enable"] is True
    assert Path(options["trt_engine_cache_path"]).is_dir()


def test_float16_is_not_made_of_float32(path: Path, gpu: FakeGpu) -> None:
    """On CUDA a network of float32 is refused where float16 is configured."""
    settings = DeviceSettings(Device.CUDA, Precision.FLOAT16)
    with pytest.raises(UnusableModel, match="expected a network of float16"):
        OnnxNetwork("m", path, settings, SeenDevices())
    half = write_network(
        path.parent / "half.onnx", {"mean0": np.ones(1, np.float32)}, dtype=np.float16
    )
    OnnxNetwork("m", half, settings, SeenDevices())
