"""A stack of real stores and one service that does nothing."""

from pathlib import Path

import pytest

from stack.ports import Ports, free_ports
from stack.services import Service
from tests.integration.stack.launcher_program import IDLE_SERVICE, ports_on


@pytest.fixture
def ports() -> Ports:
    """Give a test ports that are free now."""
    return ports_on(free_ports(15))


@pytest.fixture
def services() -> dict[str, Service]:
    """Give a test one service, with health and nothing else."""
    return IDLE_SERVICE


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a test an empty home, below a directory closed to others."""
    return tmp_path / "home"
