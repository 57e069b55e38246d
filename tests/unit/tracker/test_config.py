"""Configuration from the environment."""

import pytest

from services.common.environ import ConfigError, Environ
from services.tracker.config import config_from_environ


def test_the_defaults_listen_on_loopback() -> None:
    """Without any variable the service is private to the machine."""
    config = config_from_environ(Environ("SPOTON_TRACKER_", {}))
    assert config.server.listen == "127.0.0.1:7103"
    assert config.server.metrics_listen == "127.0.0.1:7203"
    assert config.default_tracker == "native"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SPOTON_TRACKER_COAST_S", "0"),
        ("SPOTON_TRACKER_WINDOW", "many"),
        ("SPOTON_TRACKER_DEFAULT", "unheard-of"),
        ("SPOTON_TRACKER_LISTEN", "nowhere"),
    ],
)
def test_a_bad_value_names_its_variable(name: str, value: str) -> None:
    """The operator learns which variable cannot be used."""
    with pytest.raises(ConfigError, match=name):
        config_from_environ(Environ("SPOTON_TRACKER_", {name: value}))
