"""What supervisord is told to run."""

import configparser
from pathlib import Path

from stack.home import Home
from stack.ports import ports_from_environment
from stack.programs import SERVICES, Program
from stack.services import SERVICES as MESH
from stack.services import network_variables
from stack.supervisor import Supervisor

PROGRAM = Program(
    name="detector",
    group=SERVICES,
    command=("python", "-m", "services.detector", "a b"),
    environment={"SPOTON_RATE": "50%", "SPOTON_NAME": "x"},
    stop_signal="TERM",
    is_ready=lambda: True,
)


def test_the_configuration_is_private_and_escaped(tmp_path: Path) -> None:
    """Per cent signs are doubled, as supervisord wants, and nobody else reads it."""
    home = Home(tmp_path)
    Supervisor(home).configure([PROGRAM])
    file = home.supervisor_configuration
    assert file.stat().st_mode & 0o077 == 0
    parser = configparser.RawConfigParser()
    parser.read(file)
    section = parser["program:detector"]
    assert section["environment"] == 'SPOTON_RATE="50%%",SPOTON_NAME="x"'
    assert section["command"].endswith("python -m services.detector 'a b'")


def test_nobody_answers_for_a_home_without_supervisor(tmp_path: Path) -> None:
    """Asking about a stack that does not run is no error."""
    supervisor = Supervisor(Home(tmp_path))
    assert supervisor.states() == {}
    assert not supervisor.is_ready()


def test_a_long_home_still_has_a_usable_socket(tmp_path: Path) -> None:
    """Unix socket paths are short; a long home gets one elsewhere."""
    home = Home(tmp_path / ("long" * 40))
    assert len(str(home.supervisor_socket)) < 100


def test_a_service_is_told_where_its_peers_are() -> None:
    """The pipeline gets the address of every service that it calls."""
    ports = ports_from_environment({})
    variables = network_variables("pipeline", MESH["pipeline"], ports)
    assert variables["SPOTON_PIPELINE_LISTEN"] == "127.0.0.1:7105"
    assert variables["SPOTON_PIPELINE_REID_ADDRESS"] == "127.0.0.1:7102"
