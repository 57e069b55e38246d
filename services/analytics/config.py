"""Configuration of the service, read from the environment once."""

import os
import socket
from dataclasses import dataclass, field

from services.common.environ import Environ
from services.common.grpc_server import ServerSettings

DEFAULT_PORT = 7106


@dataclass(frozen=True, slots=True)
class AnalyticsConfig:
    """What an operator may choose.

    Attributes:
        server: Where to listen.
        postgres_dsn: Connection string of the role that owns the schema `analytics`.
        redis_url: Address of Redis; secret.
        mapper_address: Where environments, zones and tripwires are known.
        owner: Name of this process in leases.
        max_environments: Environments to store at once.
        lease_s: Time after which a lease that was not renewed is over, seconds.
        batch_events: Most events in one transaction.
        presence_gap_s: Longest time between two samples of one stay, seconds.
        connections: Connections to PostgreSQL at most.
        keep_days: Age at which whole days of positions are dropped; 0 keeps them.
    """

    server: ServerSettings
    postgres_dsn: str = field(repr=False)
    redis_url: str = field(repr=False)
    mapper_address: str
    owner: str
    max_environments: int
    lease_s: float
    batch_events: int
    presence_gap_s: float
    connections: int
    keep_days: int


def load_config(environ: Environ) -> AnalyticsConfig:
    """Read the configuration.

    Raises:
        ConfigError: A variable is missing or has a value that cannot be used.
    """
    return AnalyticsConfig(
        server=environ.server_settings(DEFAULT_PORT),
        postgres_dsn=environ.secret("POSTGRES_DSN"),
        redis_url=environ.secret("REDIS_URL"),
        mapper_address=environ.text("MAPPER_ADDRESS", "127.0.0.1:7104"),
        owner=environ.text("OWNER", f"{socket.gethostname()}-{os.getpid()}"),
        max_environments=environ.integer("MAX_ENVIRONMENTS", 64, least=1, most=1024),
        lease_s=environ.number("LEASE_S", 5.0, least=1.0, most=300.0),
        batch_events=environ.integer("BATCH_EVENTS", 1000, least=1, most=10_000),
        presence_gap_s=environ.number("PRESENCE_GAP_S", 2.0, least=0.1, most=60.0),
        connections=environ.integer("CONNECTIONS", 8, least=2, most=200),
        keep_days=environ.integer("KEEP_DAYS", 0, most=36_500),
    )
