"""Services as processes of their own that cannot start, or wait until they can."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common.models import load_registry
from stack.ports import free_ports
from stack.stores.postgres import Postgres
from stack.stores.process import StoreProcess

TIMEOUT_S = 60.0
AWAY = "postgresql://someone:hidden@127.0.0.1:9/spoton"
STORES = {
    "reid": {
        "POSTGRES_DSN": AWAY,
        "REDIS_URL": "redis://:hidden@127.0.0.1:9/0",
        "S3_ENDPOINT": "http://127.0.0.1:9",
        "S3_BUCKET": "spoton",
        "S3_ACCESS_KEY": "someone",
        "S3_SECRET_KEY": "hidden",
    },
    "tracker": {},
    "mapper": {"POSTGRES_DSN": AWAY},
    "pipeline": {
        "POSTGRES_DSN": AWAY,
        "REDIS_URL": "redis://:hidden@127.0.0.1:9/0",
    },
    "analytics": {
        "POSTGRES_DSN": AWAY,
        "REDIS_URL": "redis://:hidden@127.0.0.1:9/0",
    },
}
"""What each service must be told; none of the stores is there."""


def start(
    service: str, base: Mapping[str, str] = os.environ, **variables: str
) -> subprocess.Popen[str]:
    """Start a service on free ports, with other variables of its own."""
    port, metrics_port = free_ports(2)
    told = {
        "LISTEN": f"127.0.0.1:{port}",
        "METRICS_LISTEN": f"127.0.0.1:{metrics_port}",
        **STORES[service],
        **variables,
    }
    prefix = f"SPOTON_{service.upper()}_"
    environment = {**base, **{prefix + name: text for name, text in told.items()}}
    return subprocess.Popen(  # noqa: S603 - our own programs.
        [sys.executable, "-m", f"services.{service}"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Return the exit status and the log of a process that ends by itself."""
    _, log = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, log


@pytest.mark.parametrize("service", STORES)
def test_a_taken_port_stops_the_start(service: str) -> None:
    """The port is named in one line, stores away or not, and no secret is printed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        status, log = ended(start(service, LISTEN=address))
    assert status == 1
    assert f"{service}: cannot listen on {address}" in log
    assert "Traceback" not in log
    assert "hidden" not in log


@pytest.mark.parametrize("service", STORES)
def test_a_bad_variable_stops_the_start(service: str) -> None:
    """The variable is named in one line."""
    status, log = ended(start(service, DRAIN_GRACE_S="soon"))
    assert status == 1
    assert f"{service}: SPOTON_{service.upper()}_DRAIN_GRACE_S must be" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("service", [name for name in STORES if STORES[name]])
def test_a_service_waits_for_its_stores(
    service: str, postgres_server: StoreProcess[Postgres]
) -> None:
    """Without PostgreSQL it answers that it is not serving; once that is up it is.

    Other stores stay away all the time. SIGTERM ends it with status 0.
    """
    postgres_server.stop()
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    dsn = postgres_server.store.dsn()
    process = start(service, LISTEN=address, POSTGRES_DSN=dsn)
    with grpc.insecure_channel(address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=TIMEOUT_S
        )
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        postgres_server.start()
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()
    process.send_signal(signal.SIGTERM)
    status, log = ended(process)
    assert status == 0, log
    assert "hidden" not in log


def test_wrong_weights_stop_the_start(tmp_path: Path) -> None:
    """An embedder's file with another hash is refused, and named."""
    entry = load_registry().embedder("osnet-x0-25-msmt17")
    (file,) = entry.files
    (tmp_path / file.name).write_bytes(b"not the weights")
    told = {**os.environ, "SPOTON_MODEL_DIR": str(tmp_path)}
    status, log = ended(start("reid", told, EMBEDDER="osnet-x0-25-msmt17"))
    assert status == 1
    assert f"reid: {tmp_path / file.name}" in log
    assert "SHA-256" in log
    assert "Traceback" not in log
