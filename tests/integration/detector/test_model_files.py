"""Which file a detector runs, and when it may fetch one."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from services.common.convert import image_to_proto
from services.common.models.describing import describe
from spoton.detector.v1 import detector_pb2, detector_pb2_grpc
from tests.fakes.model_web import Page, Web, running_web
from tests.fakes.networks import write_network
from tests.integration.detector.test_process import START_TIMEOUT_S, ended, start


@pytest.fixture
def web() -> Iterator[Web]:
    """Serve pages on loopback."""
    with running_web() as web:
        yield web


def test_fetches_at_start_and_never_after(tmp_path: Path, web: Web) -> None:
    """The log names file, hash and origin; without its file the detector runs on."""
    cells = np.zeros((126, 85), np.float32)
    path = write_network(tmp_path / "tiny.onnx", {"output": cells})
    url = web.serve("/tiny", Page(path.read_bytes()))
    own = tmp_path / "own.toml"
    own.write_text(f'{describe(path)}sources = [{{ url = "{url}" }}]\n')
    path.unlink()
    process, port = start(
        SPOTON_MODEL_REGISTRY=str(own),
        SPOTON_MODEL_CACHE=str(tmp_path / "cache"),
        SPOTON_MODEL_DIR="",
        SPOTON_DETECTOR_MODEL="tiny",
        SPOTON_DETECTOR_INPUT_SIZE="96",
    )
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            detector = detector_pb2_grpc.DetectorServiceStub(channel)
            image = image_to_proto(np.zeros((64, 96, 3), np.uint8))
            request = detector_pb2.DetectImageRequest(image=image)
            detector.DetectImage(request, wait_for_ready=True, timeout=START_TIMEOUT_S)
            shutil.rmtree(tmp_path / "cache")
            for _ in range(3):
                detector.DetectImage(request, timeout=START_TIMEOUT_S)
    finally:
        process.send_signal(signal.SIGTERM)
    status, log = ended(process)
    assert status == 0, log
    assert web.ranges == [None]
    lines = [json.loads(line) for line in log.splitlines()]
    (said,) = [line for line in lines if line["event"] == "model file"]
    assert said["model_id"] == "tiny"
    assert said["path"] == str(tmp_path / "cache" / "tiny.onnx")
    assert said["sha256"] in own.read_text()
    assert f"fetched from {url}" in said["origin"]
