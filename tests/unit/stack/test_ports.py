"""Ports come from one base or one by one, and never twice."""

import pytest

from stack.home import StackError
from stack.ports import free_ports, is_free, ports_from_environment


def test_defaults_are_the_documented_ports() -> None:
    """Services begin at 7101, their metrics at 7201, stores at 7301."""
    ports = ports_from_environment({})
    assert ports.services["detector"].number == 7101
    assert ports.metrics["pipeline"].number == 7205
    assert ports.stores["s3"].number == 7303


def test_the_base_moves_all_ports() -> None:
    """With another base, no port is where it was."""
    usual = {port.number for port in ports_from_environment({}).all()}
    moved = ports_from_environment({"SPOTON_PORT_BASE": "9100"})
    assert moved.services["detector"].number == 9101
    assert usual.isdisjoint(port.number for port in moved.all())


def test_one_port_can_be_moved_alone() -> None:
    """A variable of its own wins over the base."""
    variables = {"SPOTON_PORT_BASE": "9100", "SPOTON_REID_PORT": "8000"}
    ports = ports_from_environment(variables)
    assert ports.services["reid"].number == 8000
    assert ports.services["tracker"].number == 9103


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "7.5"])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    """The message names the variable."""
    with pytest.raises(StackError, match="SPOTON_REID_PORT must be a port number"):
        ports_from_environment({"SPOTON_REID_PORT": text})


def test_a_base_that_leaves_no_room_is_refused() -> None:
    """Ports past 65535 are noticed before anything starts."""
    with pytest.raises(StackError, match="SPOTON_PORT_BASE must be at most"):
        ports_from_environment({"SPOTON_PORT_BASE": "65500"})


def test_two_names_for_one_port_are_refused() -> None:
    """The message names both variables."""
    with pytest.raises(StackError, match="SPOTON_DETECTOR_PORT and SPOTON_REID_PORT"):
        ports_from_environment({"SPOTON_REID_PORT": "7101"})


def test_free_ports_are_free_and_different() -> None:
    """Nobody listens on what is handed out."""
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(is_free(port) for port in ports)
