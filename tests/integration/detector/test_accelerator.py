"""A service whose network runs on an accelerator, from the stream to the network."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.common.batching import BatchSettings
from services.common.convert import image_to_proto
from services.common.devices import Device, DeviceSettings, Fallback
from services.common.errors import Unavailable
from services.common.grpc_errors import error_from_status
from services.detector.adapters.onnx import OnnxDetector
from services.detector.config import DetectorConfig, load_config
from spoton.common.v1 import frame_pb2, geometry_pb2
from spoton.detector.v1 import detector_pb2
from tests.fakes.devices import SeenDevices
from tests.fakes.gpu import LOST, FakeGpu
from tests.fakes.networks import entry, write_network

CELLS = 12 * 8 + 6 * 4 + 3 * 2


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    """Return an accelerator that fails when told to."""
    return FakeGpu(monkeypatch)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a network that sees a person as likely as the picture is bright."""
    output, lit = (np.zeros((5, CELLS), np.float32) for _ in range(2))
    output[:4, 70], lit[4, 70] = (24, 32, 24, 48), 1.0
    return write_network(
        tmp_path / "tiny.onnx", {"output0": output}, lit={"output0": lit}
    )


def config() -> DetectorConfig:
    """Return a configuration that waits for batches of four."""
    return replace(
        load_config({}),
        models=(entry("yolo"),),
        batching=BatchSettings(max_batch=4, max_wait_s=10.0),
    )


def frame(level: int) -> detector_pb2.DetectRequest:
    """Return a frame of one grey."""
    pixels = np.full((64, 96, 3), level, np.uint8)
    return detector_pb2.DetectRequest(
        frame=frame_pb2.FrameRef(session_id="s", camera_id="c"),
        frame_size=geometry_pb2.ImageSize(width=96, height=64),
        tiles=[
            detector_pb2.Tile(
                image=image_to_proto(pixels),
                region=geometry_pb2.Box(x_max=96, y_max=64),
            )
        ],
    )


async def asked_by_four(stub: Any) -> list[detector_pb2.DetectResponse]:
    """Return the answers to one frame of each of four streams, of rising brightness."""
    calls = [stub.Detect() for _ in range(4)]
    for number, call in enumerate(calls, start=1):
        await call.read()
        await call.write(frame(255 * number // 4))
    answers = [await call.read() for call in calls]
    for call in calls:
        await call.done_writing()
    return answers


async def test_streams_reach_the_network_as_one_batch(
    serve: Any, gpu: FakeGpu, path: Path
) -> None:
    """Frames of four cameras are one batch in the network, and stay apart."""
    detector = OnnxDetector(
        path, entry("yolo"), DeviceSettings(Device.CUDA), SeenDevices()
    )
    assert detector.max_batch == 64
    gpu.allocated.clear()
    async with serve(detector, config=config()) as stub:
        answers = await asked_by_four(stub)
    assert gpu.allocated == [(4, 3, 64, 96)]
    scores = [[round(d.score, 1) for d in a.result.detections] for a in answers]
    assert scores == [[], [0.5], [0.7], [1.0]]


async def test_a_lost_device_costs_what_was_under_way(
    serve: Any, gpu: FakeGpu, path: Path
) -> None:
    """With FALLBACK=fail each frame of the batch is UNAVAILABLE; the watch knows."""
    watch = SeenDevices()
    detector = OnnxDetector(path, entry("yolo"), DeviceSettings(Device.CUDA), watch)
    gpu.at_run = LOST
    async with serve(detector, config=config()) as stub:
        answers = await asked_by_four(stub)
    for answer in answers:
        error = error_from_status(answer.status)
        assert isinstance(error, Unavailable)
        # What the runtime said, host and all, stays in the log.
        assert error.message == "model tiny: cuda failed"
    assert len(watch.failures) == 1


async def test_a_lost_device_costs_nothing_where_the_cpu_takes_over(
    serve: Any, gpu: FakeGpu, path: Path
) -> None:
    """With FALLBACK=cpu every frame of the batch at hand is answered."""
    watch = SeenDevices()
    settings = DeviceSettings(Device.CUDA, fallback=Fallback.CPU)
    detector = OnnxDetector(path, entry("yolo"), settings, watch)
    gpu.at_run = LOST
    async with serve(detector, config=config()) as stub:
        answers = await asked_by_four(stub)
    assert [len(answer.result.detections) for answer in answers] == [0, 1, 1, 1]
    assert watch.devices[-1] == ("tiny", Device.CPU)
