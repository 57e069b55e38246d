"""Configuration of the service, read from the environment once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from services.common.environ import ConfigError, Environ
from services.common.grpc_server import ServerSettings
from services.gateway.accounts.config import AccountsConfig, accounts_from_environ
from services.gateway.limits.client_address import (
    Network,
    trusted_proxies_from_environ,
)
from services.gateway.limits.policy import Policies, policies_from_environ
from services.gateway.transcoder.api import shipped_api

DEFAULT_PORT = 7107
DEFAULT_HTTP_PORT = 7100
OWN_AUDIENCES = frozenset({"accounts"})
"""Packages that the gateway itself serves by gRPC."""

_DEFAULT_PEERS = {
    "detector": 7101,
    "reid": 7102,
    "tracker": 7103,
    "mapper": 7104,
    "pipeline": 7105,
    "analytics": 7106,
}


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """What an operator may choose.

    Attributes:
        server: Where the gateway's own RPCs and its health and metrics listen.
        http_listen: Where HTTP listens, `host:port`.
        postgres_dsn: Connection string of the role that owns the schema `gateway`.
        redis_url: Address of Redis, with its password.
        peers: By name of a service: its gRPC target.
        cors_origins: Origins whose pages may read answers, such as
            `https://floor.example`.
        timeout_s: Deadline of a unary call that names none, seconds.
        most_timeout_s: Longest deadline that a caller may ask for, seconds.
        accounts: Of accounts and tokens.
        limits: How often callers may ask.
        trusted_proxies: Networks of proxies that are believed.
        most_viewers: Who may watch an environment at once.
    """

    server: ServerSettings
    http_listen: str
    postgres_dsn: str = field(repr=False)
    redis_url: str = field(repr=False)
    peers: Mapping[str, str]
    cors_origins: frozenset[str]
    timeout_s: float
    most_timeout_s: float
    accounts: AccountsConfig
    limits: Policies
    trusted_proxies: tuple[Network, ...]
    most_viewers: int


def config_from_environ(environ: Environ) -> GatewayConfig:
    """Return the configuration.

    Raises:
        ConfigError: A variable cannot be used; the message names it.
    """
    server = environ.server_settings(DEFAULT_PORT)
    most_timeout_s = environ.number("MOST_TIMEOUT_S", 120.0, least=0.1, most=3600.0)
    return GatewayConfig(
        server=server,
        http_listen=environ.address("HTTP_LISTEN", f"127.0.0.1:{DEFAULT_HTTP_PORT}"),
        postgres_dsn=environ.secret("POSTGRES_DSN"),
        redis_url=environ.secret("REDIS_URL"),
        peers=_peers(environ, server.listen),
        cors_origins=_origins(environ),
        timeout_s=environ.number("TIMEOUT_S", 30.0, least=0.1, most=most_timeout_s),
        most_timeout_s=most_timeout_s,
        accounts=accounts_from_environ(environ),
        limits=policies_from_environ(environ),
        trusted_proxies=trusted_proxies_from_environ(environ),
        most_viewers=environ.integer("MAX_VIEWERS", 1000, least=1, most=100_000),
    )


def _peers(environ: Environ, own_address: str) -> dict[str, str]:
    """Return where each service of the protos is; one that is new needs a variable."""
    peers = {}
    for name in shipped_api().audiences:
        if name in OWN_AUDIENCES:
            peers[name] = own_address
            continue
        port = _DEFAULT_PEERS.get(name)
        default = f"127.0.0.1:{port}" if port else None
        peers[name] = environ.text(f"{name.upper()}_ADDRESS", default)
    return peers


def _origins(environ: Environ) -> frozenset[str]:
    """Return the allowed origins: scheme, host and port, and nothing else."""
    name = "CORS_ORIGINS"
    texts = [text.strip() for text in environ.text(name, ",").split(",")]
    origins = {text for text in texts if text}
    for text in origins:
        parts = urlsplit(text)
        if (
            parts.scheme not in ("http", "https")
            or f"{parts.scheme}://" + (parts.netloc) != text
        ):
            raise ConfigError(
                f"{environ.prefix}{name} must be origins such as "
                f"https://floor.example, divided by commas; got {text!r}"
            )
    return frozenset(origins)
