"""Configuration of the service, read from the environment once."""

from dataclasses import dataclass

from services.common.environ import Environ
from services.common.grpc_server import ServerSettings
from services.tracker.adapters import boxmot_kinds
from services.tracker.domain.native import NATIVE

DEFAULT_PORT = 7103


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """What an operator may choose.

    Attributes:
        server: Where to listen.
        default_tracker: Tracker of streams that name none.
        coast_s: How long a track goes on without a detection, seconds.
        checkpoint_interval: Frames between checkpoints when a stream names none.
        window: Frames of one stream that may be unanswered.
        opening_timeout_s: Time for the first message of a stream.
        vectors_timeout_s: Time for the vectors of a frame.
        max_stream_age_s: Age at which streams are asked to reopen.
    """

    server: ServerSettings
    default_tracker: str
    coast_s: float
    checkpoint_interval: int
    window: int
    opening_timeout_s: float
    vectors_timeout_s: float
    max_stream_age_s: float


def config_from_environ(environ: Environ) -> TrackerConfig:
    """Return the configuration.

    Raises:
        ConfigError: A variable cannot be used; the message names it.
    """
    return TrackerConfig(
        server=environ.server_settings(DEFAULT_PORT),
        default_tracker=environ.choice(
            "DEFAULT", NATIVE, (NATIVE, *boxmot_kinds.KINDS)
        ),
        coast_s=environ.number("COAST_S", 1.0, least=0.05, most=10.0),
        checkpoint_interval=environ.integer("CHECKPOINT_INTERVAL", 25, least=1),
        window=environ.integer("WINDOW", 16, least=1, most=1024),
        opening_timeout_s=environ.number("OPENING_TIMEOUT_S", 10.0, least=0.1),
        vectors_timeout_s=environ.number("VECTORS_TIMEOUT_S", 30.0, least=0.1),
        max_stream_age_s=environ.number("MAX_STREAM_AGE_S", 1800.0, least=1.0),
    )
