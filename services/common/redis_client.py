"""Connections to Redis or Valkey, with its failures as our errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from services.common.errors import Unavailable
from services.common.store_metrics import TimedRedis

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 5.0
_RETRIES = 3

_AWAY = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
)


def open_redis(url: str) -> Redis:
    """Return a client that connects on first use and retries a few times.

    A command may reach the server twice: send only what is safe to repeat.

    Args:
        url: Such as `redis://127.0.0.1:7302/0`.
    """
    return TimedRedis.from_url(
        url,
        protocol=2,
        socket_timeout=ANSWER_TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), _RETRIES),
    )


@contextmanager
def redis_errors() -> Iterator[None]:
    """Translate what the client raises inside the block.

    Raises:
        Unavailable: The server is away, loading, read-only or out of memory.
    """
    try:
        yield
    except _AWAY as err:
        raise Unavailable("the event store is away") from err
