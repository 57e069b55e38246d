"""How long the stores take, as their clients see it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import Counter, Histogram
from psycopg import AsyncCursor
from psycopg.abc import Params
from psycopg.rows import TupleRow
from redis.asyncio import Redis

STORE_SECONDS = Histogram(
    "spoton_store_seconds",
    "Duration of one operation of a store: postgresql, redis, s3; reads of Redis that "
    "wait for something to happen left out.",
    ("store", "operation"),
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
STORE_ERRORS = Counter(
    "spoton_store_errors_total",
    "Operations of a store that raised an error, refusals by constraint included.",
    ("store", "operation"),
)

_WAITS = frozenset({"XREAD", "XREADGROUP", "BLPOP", "BLMOVE", "SUBSCRIBE"})


@contextmanager
def store_timed(store: str, operation: str) -> Iterator[None]:
    """Time one operation, and count it if it fails.

    Args:
        store: postgresql, redis or s3.
        operation: From a set that the code bounds, such as a command's name.
    """
    begin_s = time.perf_counter()
    try:
        yield
    except Exception:
        STORE_ERRORS.labels(store, operation).inc()
        raise
    finally:
        seconds = time.perf_counter() - begin_s
        STORE_SECONDS.labels(store, operation).observe(seconds)


class TimedCursor(AsyncCursor[TupleRow]):
    """A cursor whose statements are timed; COPY and what is fetched later are not."""

    async def execute(
        self, query: Any, params: Params | None = None, **options: Any
    ) -> "TimedCursor":
        """Execute a statement."""
        with store_timed("postgresql", "execute"):
            await super().execute(query, params, **options)
        return self

    async def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
        """Execute a statement many times."""
        with store_timed("postgresql", "executemany"):
            await super().executemany(query, params_seq, **options)


class TimedRedis(Redis):
    """A client whose commands are timed, scripts as EVALSHA; pipelines are not."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command and return the answer."""
        command = str(args[0])
        if command in _WAITS:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        with store_timed("redis", command):
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
