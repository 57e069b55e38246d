"""The gateway's configuration names what is wrong with it."""

import pytest

from services.common.environ import ConfigError, Environ
from services.gateway.config import config_from_environ

NEEDED = {
    "SPOTON_GATEWAY_POSTGRES_DSN": "postgresql://gateway:secret@127.0.0.1/spoton",
    "SPOTON_GATEWAY_REDIS_URL": "redis://:secret@127.0.0.1:7302/0",
    "SPOTON_GATEWAY_SECRET": "secret" * 8,
}


def config(**variables: str):
    """Return the configuration of some variables, and of those that are needed."""
    named = {f"SPOTON_GATEWAY_{name}": value for name, value in variables.items()}
    return config_from_environ(Environ("SPOTON_GATEWAY_", {**NEEDED, **named}))


def test_defaults() -> None:
    """Every service of the protos has an address; secrets do not show."""
    defaults = config()
    assert defaults.http_listen == "127.0.0.1:7100"
    assert defaults.server.metrics_listen == "127.0.0.1:7207"
    assert defaults.peers["analytics"] == "127.0.0.1:7106"
    assert defaults.cors_origins == frozenset()
    assert "secret" not in repr(defaults)


def test_what_is_given_is_used() -> None:
    """Addresses and origins come from their variables."""
    given = config(
        MAPPER_ADDRESS="dns:///mapper:7104",
        CORS_ORIGINS="https://floor.example, http://localhost:3000",
    )
    assert given.peers["mapper"] == "dns:///mapper:7104"
    assert given.cors_origins == {"https://floor.example", "http://localhost:3000"}


@pytest.mark.parametrize("missing", sorted(NEEDED))
def test_secrets_have_no_defaults(missing: str) -> None:
    """Without one the gateway does not start."""
    variables = {name: value for name, value in NEEDED.items() if name != missing}
    with pytest.raises(ConfigError, match=missing):
        config_from_environ(Environ("SPOTON_GATEWAY_", variables))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://floor.example/"),
        ("CORS_ORIGINS", "floor.example"),
        ("TIMEOUT_S", "0"),
        ("TIMEOUT_S", "500"),
        ("HTTP_LISTEN", "7100"),
    ],
)
def test_bad_values_are_named(name: str, value: str) -> None:
    """The message has the whole name of the variable."""
    with pytest.raises(ConfigError, match=f"SPOTON_GATEWAY_{name}"):
        config(**{name: value})
