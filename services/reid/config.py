"""What the service is told by its environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.common.batching import BatchSettings
from services.common.devices import DeviceSettings, device_settings
from services.common.environ import ConfigError, Environ
from services.common.grpc_server import ServerSettings
from services.common.images import DEFAULT_MAX_PIXELS
from services.common.models import cache_dir, model_dir
from services.reid.adapters.s3 import S3Settings

DEFAULT_PORT = 7102
STRIPES = "stripes"
"""Stands for the colour stripes of the model registry, whatever their version."""

_DAY_S = 86_400.0
_INDEXES = ("auto", "flat", "pq", "ivf", "hnsw")


@dataclass(frozen=True, slots=True)
class ReidConfig:
    """Configuration of the service.

    Attributes:
        server: Where it listens.
        postgres_dsn: Connection string of PostgreSQL.
        redis_url: Address of the event stream.
        s3: Where pictures are kept.
        mapper_address: Who knows what pictures may show.
        embedders: Embedders of the model registry, or `stripes`; the default first.
        device: Where networks run.
        faiss_index: Kind of the search indexes: `auto`, `flat`, `pq`, `ivf` or
            `hnsw`.
        faiss_device: Where they are searched: `cpu` or `cuda`.
        model_dir: Model files that the user supplies; None when there are none.
        cache_dir: Where fetched model files are kept.
        batching: How crops are brought together.
        window: Items of one stream that may be unanswered.
        max_image_pixels: Largest image that is decoded.
        retention_s: How long persons are kept after they were last seen, seconds; 0 is
            for ever.
        store_patience_s: How long PostgreSQL may be away during a tick, seconds.
        feedback_patience_s: How long a session may take to come to what an operator
            says, seconds.
        max_stream_age_s: Age at which a stream is asked to reopen, seconds.
    """

    server: ServerSettings
    postgres_dsn: str = field(repr=False)
    redis_url: str = field(repr=False)
    s3: S3Settings
    mapper_address: str
    embedders: tuple[str, ...]
    device: DeviceSettings
    faiss_index: str
    faiss_device: str
    model_dir: Path | None
    cache_dir: Path
    batching: BatchSettings
    window: int
    max_image_pixels: int
    retention_s: float
    store_patience_s: float
    feedback_patience_s: float
    max_stream_age_s: float


def load_config(variables: Mapping[str, str] | None = None) -> ReidConfig:
    """Read the configuration.

    Args:
        variables: The environment; absent means that of the process.

    Raises:
        ConfigError: A variable is missing or has a value that cannot be used.
    """
    environ = Environ("SPOTON_REID_", variables)
    return ReidConfig(
        server=environ.server_settings(DEFAULT_PORT),
        postgres_dsn=environ.secret("POSTGRES_DSN"),
        redis_url=environ.secret("REDIS_URL"),
        s3=S3Settings(
            endpoint=environ.text("S3_ENDPOINT"),
            bucket=environ.text("S3_BUCKET"),
            access_key=environ.secret("S3_ACCESS_KEY"),
            secret_key=environ.secret("S3_SECRET_KEY"),
        ),
        mapper_address=environ.text("MAPPER_ADDRESS", "127.0.0.1:7104"),
        embedders=_embedders(environ),
        device=device_settings(environ, cache_dir()),
        faiss_index=environ.choice("FAISS_INDEX", "auto", _INDEXES),
        faiss_device=environ.choice("FAISS_DEVICE", "cpu", ("cpu", "cuda")),
        model_dir=model_dir(),
        cache_dir=cache_dir(),
        batching=BatchSettings(
            max_batch=environ.integer("MAX_BATCH", 16, least=1, most=256),
            max_wait_s=environ.number("MAX_WAIT_S", 0.001, most=1.0),
            threads=environ.integer("INFERENCE_THREADS", 1, least=1, most=256),
        ),
        window=environ.integer("WINDOW", 16, least=1, most=64),
        max_image_pixels=environ.integer("MAX_IMAGE_PIXELS", DEFAULT_MAX_PIXELS),
        retention_s=_DAY_S * environ.number("RETENTION_DAYS", 0.0, most=36_500.0),
        store_patience_s=environ.number("STORE_PATIENCE_S", 30.0, most=600.0),
        feedback_patience_s=environ.number("FEEDBACK_PATIENCE_S", 10.0, most=600.0),
        max_stream_age_s=environ.number("MAX_STREAM_AGE_S", 1800.0, least=1.0),
    )


def _embedders(environ: Environ) -> tuple[str, ...]:
    """Return the names in a list that commas separate.

    Raises:
        ConfigError: A name is empty or comes twice.
    """
    text = environ.text("EMBEDDER", STRIPES)
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise ConfigError(
            f"{environ.prefix}EMBEDDER must be names of embedders, each once, with "
            f"commas between them; got {text!r}"
        )
    return names
