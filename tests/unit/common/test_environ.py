"""Configuration from the environment."""

from pathlib import Path

import pytest

from services.common.environ import ConfigError, Environ


def environ(**variables: str) -> Environ:
    """Return the environment with these variables, their prefix left out."""
    return Environ("SPOTON_X_", {f"SPOTON_X_{k}": v for k, v in variables.items()})


def test_values_have_their_types() -> None:
    """Set variables win over defaults."""
    env = environ(COUNT="3", RATE="2.5", ON="true", AT="127.0.0.1:9", KIND="b")
    assert env.integer("COUNT", 1) == 3
    assert env.number("RATE", 1.0) == 2.5
    assert env.flag("ON", default=False)
    assert env.address("AT") == "127.0.0.1:9"
    assert env.choice("KIND", "a", ("a", "b")) == "b"
    assert env.integer("OTHER", 7) == 7


@pytest.mark.parametrize(
    ("read", "variables"),
    [
        (lambda env: env.integer("V", 1), {"V": "many"}),
        (lambda env: env.integer("V", 1, most=5), {"V": "6"}),
        (lambda env: env.number("V", 1.0), {"V": "nan"}),
        (lambda env: env.choice("V", "a", ("a",)), {"V": "z"}),
        (lambda env: env.address("V"), {"V": "localhost"}),
        (lambda env: env.address("V"), {"V": "localhost:99999"}),
        (lambda env: env.text("V"), {}),
        (lambda env: env.secret("V"), {"V_FILE": "/nowhere/at/all"}),
    ],
)
def test_a_bad_value_names_its_variable(read, variables: dict[str, str]) -> None:
    """Whoever sets a variable wrongly learns which."""
    with pytest.raises(ConfigError, match="SPOTON_X_V"):
        read(environ(**variables))


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    """A mounted secret is read without its line end."""
    file = tmp_path / "secret"
    file.write_text("s3cret\n", encoding="utf-8")
    assert environ(KEY_FILE=str(file)).secret("KEY") == "s3cret"
