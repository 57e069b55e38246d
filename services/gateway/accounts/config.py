"""Configuration of accounts, read from the environment once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from services.common.access_tokens import DEFAULT_ISSUER
from services.common.environ import ConfigError, Environ
from services.common.errors import InvalidInput
from services.common.roles import Role
from services.gateway.accounts.adapters.login_sessions import SessionLifetime
from services.gateway.accounts.adapters.oidc import (
    SAFE_ALGORITHMS,
    OidcSettings,
    RoleRule,
)
from services.gateway.accounts.adapters.sealing import LEAST_SECRET_CHARACTERS
from services.gateway.accounts.domain.accounts import UserSettings
from services.gateway.accounts.domain.checks import check_user_settings

_DAY_S = 24 * 3600.0
_LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class AccountsConfig:
    """What an operator may choose.

    Attributes:
        secret: At least 32 characters, the same for all replicas: seals signing keys.
        issuer: `iss` of access tokens.
        lifetime: How long a login lasts.
        oidc: External issuer; None if there is none.
    """

    secret: str = field(repr=False)
    issuer: str
    lifetime: SessionLifetime
    oidc: OidcSettings | None


def accounts_from_environ(environ: Environ) -> AccountsConfig:
    """Return the configuration.

    Raises:
        ConfigError: A variable cannot be used; the message names it.
    """
    secret = environ.secret("SECRET")
    if len(secret) < LEAST_SECRET_CHARACTERS:
        raise ConfigError(
            f"{environ.prefix}SECRET must have at least {LEAST_SECRET_CHARACTERS} "
            "characters, made at random"
        )
    absolute_s = environ.number("LOGIN_LIFETIME_S", 7 * _DAY_S, least=60.0)
    return AccountsConfig(
        secret=secret,
        issuer=environ.text("TOKEN_ISSUER", DEFAULT_ISSUER),
        lifetime=SessionLifetime(
            absolute_s, environ.number("LOGIN_IDLE_S", _DAY_S, least=60.0)
        ),
        oidc=_oidc(environ),
    )


def _oidc(environ: Environ) -> OidcSettings | None:
    """Return the external issuer, if one is named."""
    issuer = environ.text("OIDC_ISSUER", "-")
    if issuer == "-":
        return None
    parts = urlsplit(issuer)
    local = parts.scheme == "http" and parts.hostname in _LOOPBACK_HOSTS
    if not parts.hostname or not (parts.scheme == "https" or local):
        message = (
            f"{environ.prefix}OIDC_ISSUER must be an https address; got {issuer!r}"
        )
        raise ConfigError(message)
    algorithms = _list(environ, "OIDC_ALGORITHMS", "RS256,ES256,EdDSA")
    if unsafe := set(algorithms) - set(SAFE_ALGORITHMS):
        raise ConfigError(
            f"{environ.prefix}OIDC_ALGORITHMS must be of {', '.join(SAFE_ALGORITHMS)}; "
            f"got {', '.join(sorted(unsafe))}"
        )
    return OidcSettings(
        issuer=issuer,
        audiences=_list(environ, "OIDC_AUDIENCES"),
        algorithms=algorithms,
        role_claim=environ.text("OIDC_ROLE_CLAIM", "roles"),
        name_claim=environ.text("OIDC_NAME_CLAIM", "preferred_username"),
        roles=_role_rules(environ),
    )


def _list(environ: Environ, name: str, default: str | None = None) -> tuple[str, ...]:
    texts = (text.strip() for text in environ.text(name, default).split(","))
    return tuple(text for text in texts if text)


def _role_rules(environ: Environ) -> Mapping[str, RoleRule]:
    """Return what values of the role claim give.

    The variable holds JSON such as
    `{"guards": {"role": "operator", "environments": ["plaza"]}}`.
    """
    text = environ.text("OIDC_ROLES")
    try:
        rules = {
            str(value): RoleRule(Role(rule["role"]), tuple(rule["environments"]))
            for value, rule in json.loads(text).items()
        }
        for rule in rules.values():
            roles = dict.fromkeys(rule.environment_ids, rule.role)
            check_user_settings(UserSettings(roles=roles), "")
    except (ValueError, KeyError, TypeError, AttributeError, InvalidInput) as error:
        raise ConfigError(
            f"{environ.prefix}OIDC_ROLES must be JSON that gives, by value of the "
            'claim, {"role": "viewer", "environments": ["*"]}: '
            f"{error}"
        ) from None
    return rules
