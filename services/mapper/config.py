"""Configuration of the service, read from the environment once."""

from dataclasses import dataclass, field

from services.common.environ import Environ
from services.common.grpc_server import ServerSettings
from services.mapper.service.quotas import USUAL_QUOTAS, Quotas

DEFAULT_PORT = 7104


@dataclass(frozen=True, slots=True)
class MapperConfig:
    """What an operator may choose.

    Attributes:
        server: Where to listen.
        postgres_dsn: Connection string of the role that owns the schema `mapper`.
        max_stream_age_s: Age at which streams are asked to reopen.
        quotas: What an environment may have.
    """

    server: ServerSettings
    postgres_dsn: str = field(repr=False)
    max_stream_age_s: float
    quotas: Quotas


def config_from_environ(environ: Environ) -> MapperConfig:
    """Return the configuration.

    Raises:
        ConfigError: A variable cannot be used; the message names it.
    """
    return MapperConfig(
        server=environ.server_settings(DEFAULT_PORT),
        postgres_dsn=environ.secret("POSTGRES_DSN"),
        max_stream_age_s=environ.number("MAX_STREAM_AGE_S", 1800.0, least=1.0),
        quotas=Quotas(
            cameras=environ.integer("MAX_CAMERAS", USUAL_QUOTAS.cameras, least=1)
        ),
    )
