"""Configuration of accounts: what is refused, and by which name."""

import pytest

from services.common.environ import ConfigError, Environ
from services.common.roles import Role
from services.gateway.accounts.config import accounts_from_environ

SECRET = {"G_SECRET": "s" * 32}
OIDC = SECRET | {
    "G_OIDC_ISSUER": "https://id.example",
    "G_OIDC_AUDIENCES": "a, b",
    "G_OIDC_ROLES": '{"guards": {"role": "operator", "environments": ["plaza"]}}',
}


def test_only_the_secret_is_required() -> None:
    """It has no default, and is not shown."""
    config = accounts_from_environ(Environ("G_", SECRET))
    assert config.oidc is None
    assert "sss" not in repr(config)
    with pytest.raises(ConfigError, match="G_SECRET"):
        accounts_from_environ(Environ("G_", {}))


def test_an_issuer_is_read() -> None:
    """With its audiences, and what its roles give."""
    oidc = accounts_from_environ(Environ("G_", OIDC)).oidc
    assert oidc is not None
    assert oidc.audiences == ("a", "b")
    assert oidc.roles["guards"].role is Role.OPERATOR
    assert not any(name.startswith("HS") for name in oidc.algorithms)


@pytest.mark.parametrize(
    "change",
    [
        {"G_SECRET": "short"},
        {"G_LOGIN_IDLE_S": "1"},
        {"G_OIDC_ISSUER": "http://id.example"},
        {"G_OIDC_ISSUER": "id.example"},
        {"G_OIDC_AUDIENCES": ""},
        {"G_OIDC_ALGORITHMS": "RS256,HS256"},
        {"G_OIDC_ALGORITHMS": "none"},
        {"G_OIDC_ROLES": "{"},
        {"G_OIDC_ROLES": "[]"},
        {"G_OIDC_ROLES": '{"a": {"role": "god", "environments": ["*"]}}'},
        {"G_OIDC_ROLES": '{"a": {"role": "viewer", "environments": ["Not One"]}}'},
    ],
)
def test_a_bad_value_names_its_variable(change: dict[str, str]) -> None:
    """The gateway refuses to start with it."""
    (name,) = change
    with pytest.raises(ConfigError, match=name):
        accounts_from_environ(Environ("G_", OIDC | change))
