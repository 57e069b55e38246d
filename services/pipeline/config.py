"""Configuration, read from the environment once."""

import os
import socket
from dataclasses import dataclass, field

from services.common.environ import Environ
from services.common.event_log import Retention
from services.common.grpc_server import ServerSettings
from services.pipeline.adapters.session_store import MAX_UNFINISHED
from services.pipeline.mesh.cameras import MediaFolder
from services.pipeline.mesh.peers import PeerAddresses

DEFAULT_PORT = 7105


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """What the service is told.

    Attributes:
        server: Where it listens.
        postgres_dsn: Connection string of PostgreSQL; secret.
        redis_url: Address of Redis; secret.
        peers: Where the other services are.
        media: Where recordings lie.
        retention: How much of the event stream is kept.
        owner: Name of this process in leases.
        address: Where others reach this process, `host:port`.
        max_sessions: Sessions to run at once.
        max_unfinished: Sessions of one environment that have not ended.
        lease_s: Time after which a lease that was not renewed is over, seconds.
        renew_every_s: Time between renewals, seconds.
        pixel_threads: Threads that cut and scale pictures.
        keep_alive_s: Time without an event after which watchers are told so, seconds.
    """

    server: ServerSettings
    postgres_dsn: str = field(repr=False)
    redis_url: str = field(repr=False)
    peers: PeerAddresses
    media: MediaFolder
    retention: Retention
    owner: str
    address: str
    max_sessions: int
    max_unfinished: int
    lease_s: float
    renew_every_s: float
    pixel_threads: int
    keep_alive_s: float


def load_config(environ: Environ) -> PipelineConfig:
    """Read the configuration.

    Raises:
        ConfigError: A variable is missing or has a value that cannot be used.
    """
    lease_s = environ.number("LEASE_S", 5.0, least=1.0, most=300.0)
    server = environ.server_settings(DEFAULT_PORT)
    return PipelineConfig(
        server=server,
        postgres_dsn=environ.secret("POSTGRES_DSN"),
        redis_url=environ.secret("REDIS_URL"),
        peers=PeerAddresses(
            detector=environ.text("DETECTOR_ADDRESS", "127.0.0.1:7101"),
            reid=environ.text("REID_ADDRESS", "127.0.0.1:7102"),
            tracker=environ.text("TRACKER_ADDRESS", "127.0.0.1:7103"),
            mapper=environ.text("MAPPER_ADDRESS", "127.0.0.1:7104"),
        ),
        media=MediaFolder(
            environ.path("MEDIA_DIR", "media"),
            allow_outside=environ.flag("MEDIA_OUTSIDE", default=False),
            addresses=environ.beside("SPOTON_SOURCES_").address_policy(),
        ),
        retention=Retention(
            keep_s=environ.number("EVENTS_KEEP_S", 24 * 3600.0, least=60.0),
            ceiling_bytes=environ.integer(
                "EVENTS_CEILING_BYTES", 256 * 1024 * 1024, least=1024 * 1024, most=2**40
            ),
        ),
        owner=environ.text("OWNER", f"{socket.gethostname()}-{os.getpid()}"),
        address=environ.text("ADDRESS", _reachable(server.listen)),
        max_sessions=environ.integer("MAX_SESSIONS", 4, least=1, most=256),
        max_unfinished=environ.integer(
            "MAX_UNFINISHED_SESSIONS", MAX_UNFINISHED, least=1
        ),
        lease_s=lease_s,
        renew_every_s=environ.number("RENEW_EVERY_S", lease_s / 5, most=lease_s / 2),
        pixel_threads=environ.integer("PIXEL_THREADS", 2, least=1, most=64),
        keep_alive_s=environ.number("KEEP_ALIVE_S", 15.0, least=1.0, most=3600.0),
    )


def _reachable(listen: str) -> str:
    """Return where others find what listens at an address.

    >>> _reachable("127.0.0.1:7105")
    '127.0.0.1:7105'
    """
    host, _, port = listen.rpartition(":")
    if host in ("0.0.0.0", "[::]"):  # noqa: S104 - compared, not bound.
        host = socket.gethostname()
    return f"{host}:{port}"
