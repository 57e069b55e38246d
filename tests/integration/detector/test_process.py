"""The detector as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common.models import cache_dir, load_registry, locate, model_dir
from tests.fakes.networks import write_network

START_TIMEOUT_S = 30.0


def free_ports() -> tuple[int, int]:
    """Return two ports that nobody uses now."""
    with socket.socket() as first, socket.socket() as second:
        for bound in (first, second):
            bound.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def start(**variables: str) -> tuple[subprocess.Popen[str], int]:
    """Start a detector on free ports; return the process and its port."""
    port, metrics_port = free_ports()
    environment = {
        **os.environ,
        "SPOTON_DETECTOR_LISTEN": f"127.0.0.1:{port}",
        "SPOTON_DETECTOR_METRICS_LISTEN": f"127.0.0.1:{metrics_port}",
        "SPOTON_DETECTOR_INPUT_SIZE": "64",
        "SPOTON_DETECTOR_INFERENCE_THREADS": "1",
        **variables,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "services.detector"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, port


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Return the exit status and the log of a process that ends by itself."""
    _, log = process.communicate(timeout=START_TIMEOUT_S)
    return process.returncode, log


@pytest.fixture
def weights() -> None:
    """Fetch the model's file beforehand, so that no test waits for it."""
    entry = load_registry().detector("movenet-multipose")
    locate(entry, model_dir(), cache_dir())


@pytest.mark.usefixtures("weights")
def test_serves_until_told_to_stop() -> None:
    """A detector becomes healthy, and SIGTERM ends it with status 0."""
    process, port = start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(
            service="spoton.detector.v1.DetectorService"
        )
        watch = health.Watch(request, wait_for_ready=True, timeout=START_TIMEOUT_S)
        for answer in watch:
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                break
        watch.cancel()
    process.send_signal(signal.SIGTERM)
    status, log = ended(process)
    assert status == 0, log


def test_wrong_weights_stop_the_start(tmp_path: Path) -> None:
    """A model file with another hash is refused; the message names the file."""
    name = load_registry().detector("movenet-multipose").files[0].name
    (tmp_path / name).write_bytes(b"not the weights")
    process, _ = start(SPOTON_MODEL_DIR=str(tmp_path))
    status, log = ended(process)
    assert status == 1
    assert str(tmp_path / name) in log
    assert "SHA-256" in log


def test_a_model_of_another_head_stops_the_start(tmp_path: Path) -> None:
    """A network that does not fit its entry ends the start in one clear line."""
    outputs = {"output0": np.zeros((300, 7), np.float32)}
    path = write_network(tmp_path / "mine.onnx", outputs)
    digest = sha256(path.read_bytes()).hexdigest()
    registry = tmp_path / "models.toml"
    registry.write_text(f"""
        [mine]
        kind = "detector"
        backend = "onnx"
        head = "yolo"
        licence = "Apache-2.0"
        origin = "this test"
        input_width_px = 96
        input_height_px = 64
        pixel_order = "rgb"
        high_score = 0.5
        low_score = 0.1
        file = {{ name = "mine.onnx", sha256 = "{digest}" }}
    """)
    process, _ = start(
        SPOTON_MODEL_DIR=str(tmp_path),
        SPOTON_MODEL_REGISTRY=str(registry),
        SPOTON_DETECTOR_MODEL="mine",
        SPOTON_DETECTOR_INPUT_SIZE="96",
    )
    status, log = ended(process)
    assert status == 1
    (line,) = (line for line in log.splitlines() if line.startswith("detector: "))
    for part in ("model mine", str(path), "head yolo", "expected", "found output0"):
        assert part in line
    assert "Traceback" not in log


def test_bad_variable_stops_the_start() -> None:
    """A variable that cannot be used is named."""
    process, _ = start(SPOTON_DETECTOR_TILE_ROWS="many")
    status, log = ended(process)
    assert status == 1
    assert "SPOTON_DETECTOR_TILE_ROWS" in log


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("variable", ["LISTEN", "METRICS_LISTEN"])
def test_taken_port_stops_the_start(variable: str) -> None:
    """A port that somebody else has is named."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process, _ = start(**{f"SPOTON_DETECTOR_{variable}": address})
        status, log = ended(process)
    assert status == 1
    assert f"cannot listen on {address}" in log
