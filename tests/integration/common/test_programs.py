"""Services as processes of their own that cannot start, or wait until they can."""

import os
import socket
import subprocess
import sys

import pytest

from stack.ports import free_ports

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
}
"""What each service must be told; none of the stores is there."""


def start(service: str, **variables: str) -> subprocess.Popen[str]:
    """Start a service on free ports, with other variables of its own."""
    port, metrics_port = free_ports(2)
    told = {
        "LISTEN": f"127.0.0.1:{port}",
        "METRICS_LISTEN": f"127.0.0.1:{metrics_port}",
        **STORES[service],
        **variables,
    }
    prefix = f"SPOTON_{service.upper()}_"
    environment = {
        **os.environ,
        **{prefix + name: text for name, text in told.items()},
    }
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
