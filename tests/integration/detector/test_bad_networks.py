"""A model that cannot work ends the start, with what was expected and what found."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from services.common.broken_answers import BrokenAnswer
from services.common.devices import Device, DeviceSettings, UnusableModel
from services.common.errors import InvalidInput
from services.common.models import DetectorEntry, ModelFile
from services.detector.adapters.onnx import OnnxDetector
from services.detector.domain.detections import Detections
from tests.fakes.devices import SeenDevices
from tests.fakes.gpu import FakeGpu
from tests.fakes.networks import entry, write_network

CELLS = 12 * 8 + 6 * 4 + 3 * 2
V8 = {"output0": np.zeros((84, CELLS), np.float32)}


def load(path: Path, model: DetectorEntry | None = None) -> OnnxDetector:
    """Return a YOLO detector on the CPU."""
    return OnnxDetector(path, model or entry("yolo"), DeviceSettings(), SeenDevices())


def refused(path: Path, model: DetectorEntry | None = None) -> str:
    """Return why a model is refused; the text names the model and the file."""
    with pytest.raises(UnusableModel) as error:
        load(path, model)
    text = str(error.value)
    assert "model tiny" in text
    assert str(path) in text
    return text


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    """A file that is no ONNX is told apart from one that is wrong inside."""
    path = tmp_path / "tiny.onnx"
    path.write_bytes(b"PK\x03\x04 these are torch weights")
    assert "INVALID_PROTOBUF" in refused(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    """A file of no bytes is refused."""
    path = tmp_path / "tiny.onnx"
    path.write_bytes(b"")
    refused(path)


def test_an_operator_set_from_the_future_is_refused(tmp_path: Path) -> None:
    """What ONNX Runtime says about an opset that it does not know is passed on."""
    path = write_network(tmp_path / "tiny.onnx", V8)
    model = onnx.load(str(path))
    model.opset_import[0].version = 99
    onnx.save(model, str(path))
    assert "opset" in refused(path)


@pytest.mark.parametrize("head", ["yolox", "rtdetr", "rfdetr"])
def test_outputs_of_another_head_are_refused(tmp_path: Path, head: str) -> None:
    """A YOLO export that is declared as something else is refused."""
    outputs = {"output0": np.zeros((3, 84, CELLS), np.float32)}
    path = write_network(tmp_path / "tiny.onnx", outputs)
    text = refused(path, entry(head))
    assert f"head {head}" in text
    assert "expected" in text
    assert f"found output0 (3, 84, {CELLS})" in text


@pytest.mark.parametrize("size", [(640, 640), (64, 640), ("height", 640)])
def test_another_input_size_is_refused(tmp_path: Path, size: Any) -> None:
    """A network of fixed size refuses a configured one that is not its own."""
    path = write_network(tmp_path / "tiny.onnx", V8, size=size)
    with pytest.raises(InvalidInput, match="640") as error:
        load(path)
    assert error.value.field == "tiny.input_size"


def test_an_unknown_second_input_is_refused(tmp_path: Path) -> None:
    """An input that nobody would fill is named."""
    path = write_network(tmp_path / "tiny.onnx", V8, extra_input="prompt")
    assert "prompt (any, 2) int64" in refused(path)


def test_grey_pictures_are_refused(tmp_path: Path) -> None:
    """A network of one channel is refused with the shape of its input."""
    path = write_network(tmp_path / "tiny.onnx", V8)
    model = onnx.load(str(path))
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1
    onnx.save(model, str(path))
    assert "images (any, 1, 64, 96) float32" in refused(path)


def test_a_network_that_fails_as_it_runs_is_refused(tmp_path: Path) -> None:
    """A network whose first run fails does not start to serve."""
    path = write_network(tmp_path / "tiny.onnx", V8)
    model = onnx.load(str(path))
    (shape,) = (c for c in model.graph.initializer if c.name == "output0_shape")
    shape.CopyFrom(
        onnx.numpy_helper.from_array(np.array([7, 1, 1], np.int64), shape.name)
    )
    onnx.save(model, str(path))
    assert "does not run on pictures of 96 x 64" in refused(path)


def test_a_batch_that_is_only_claimed_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that claims any batch and takes one is fed one at a time."""
    FakeGpu(monkeypatch)
    on_cuda = DeviceSettings(Device.CUDA)
    path = write_network(tmp_path / "tiny.onnx", V8)
    model = onnx.load(str(path))
    (shape,) = (c for c in model.graph.initializer if c.name == "output0_shape")
    shape.CopyFrom(
        onnx.numpy_helper.from_array(np.array([1, 1, 1], np.int64), shape.name)
    )
    onnx.save(model, str(path))
    detector = OnnxDetector(path, entry("yolo"), on_cuda, SeenDevices())
    assert detector.max_batch == 1


def test_a_folder_holds_one_network(tmp_path: Path) -> None:
    """A model of several files is a folder with one ONNX file in it."""
    files = tuple(ModelFile(name, "0" * 64) for name in ("net.onnx", "net.onnx_data"))
    model = entry("yolo", files=files)
    with pytest.raises(UnusableModel, match=r"one \.onnx file; found none"):
        load(tmp_path, model)
    write_network(tmp_path / "net.onnx", V8)
    (tmp_path / "net.onnx_data").write_bytes(b"")
    load(tmp_path, model)
    write_network(tmp_path / "other.onnx", V8)
    with pytest.raises(UnusableModel, match=r"found net\.onnx, other\.onnx"):
        load(tmp_path, model)


def test_nan_costs_one_picture_of_a_batch(tmp_path: Path) -> None:
    """A picture for which the network answers NaN is an error, its neighbour is not."""
    lit = np.zeros((84, CELLS), np.float32)
    output = V8["output0"].copy()
    output[:4, 3], output[4, 3] = (24, 32, 24, 48), 0.9
    # Together more than a float32 can hold, if the picture is white.
    output[4, 5] = lit[4, 5] = 3e38
    path = write_network(
        tmp_path / "tiny.onnx", {"output0": output}, lit={"output0": lit}
    )
    black, white = (np.full((64, 96, 3), level, np.uint8) for level in (0, 255))
    fine, broken = load(path).detect([black, white])
    assert isinstance(broken, BrokenAnswer)
    assert "tiny" in broken.message
    assert isinstance(fine, Detections)
    assert len(fine) == 1
