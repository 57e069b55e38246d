"""Configuration of the service, read from the environment once."""

import base64
import hashlib
from dataclasses import dataclass, field

from cryptography.fernet import Fernet, MultiFernet

from services.common.environ import ConfigError, Environ
from services.common.grpc_server import ServerSettings
from services.common.outgoing.policy import AddressPolicy
from services.mapper.service.quotas import USUAL_QUOTAS, Quotas

DEFAULT_PORT = 7104
_LEAST_SECRET_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class MapperConfig:
    """What an operator may choose.

    Attributes:
        server: Where to listen.
        postgres_dsn: Connection string of the role that owns the schema `mapper`.
        max_stream_age_s: Age at which streams are asked to reopen.
        sources: Which addresses cameras may have.
        cipher: What their credentials are encrypted with; None keeps none.
        quotas: What an environment may have.
    """

    server: ServerSettings
    postgres_dsn: str = field(repr=False)
    max_stream_age_s: float
    sources: AddressPolicy
    cipher: MultiFernet | None = field(repr=False)
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
        sources=environ.beside("SPOTON_SOURCES_").address_policy(),
        cipher=_cipher(environ),
        quotas=Quotas(
            cameras=environ.integer("MAX_CAMERAS", USUAL_QUOTAS.cameras, least=1)
        ),
    )


def _cipher(environ: Environ) -> MultiFernet | None:
    """Return what encrypts: by SECRET, the newest of several secrets first."""
    text = environ.optional_secret("SECRET")
    if not text:
        return None
    secrets = [one.strip() for one in text.split(",")]
    if any(len(one) < _LEAST_SECRET_CHARACTERS for one in secrets):
        raise ConfigError(
            f"{environ.prefix}SECRET must have at least {_LEAST_SECRET_CHARACTERS} "
            "random characters; several secrets have commas between them"
        )
    return cipher_of(*secrets)


def cipher_of(*secrets: str) -> MultiFernet:
    """Return what encrypts with the first of some secrets and decrypts with all."""
    digests = (hashlib.sha256(one.encode()).digest() for one in secrets)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(one)) for one in digests])
