"""What the metrics of stores say, on real stores."""

import psycopg
import pytest
from prometheus_client import REGISTRY
from psycopg.errors import UndefinedTable

from services.common.postgres import open_pool
from services.common.redis_client import open_redis


def sample(name: str, store: str, operation: str) -> float:
    """Return a sample of this process; 0 before the first."""
    labels = {"store": store, "operation": operation}
    return REGISTRY.get_sample_value(f"spoton_store_{name}", labels) or 0.0


async def test_statements_are_timed_and_their_errors_counted(postgres_dsn: str) -> None:
    """A pool's statements are timed, also those of a connection without cursor."""
    timed = sample("seconds_count", "postgresql", "execute")
    failed = sample("errors_total", "postgresql", "execute")
    async with open_pool(postgres_dsn, "public") as pool:
        async with pool.connection() as connection:
            cursor = await connection.execute("SELECT 7")
            assert await cursor.fetchone() == (7,)
        with pytest.raises(UndefinedTable):
            async with pool.connection() as connection, connection.cursor() as cursor:
                await cursor.execute("SELECT * FROM nowhere")
    assert sample("seconds_count", "postgresql", "execute") >= timed + 2
    assert sample("errors_total", "postgresql", "execute") == failed + 1
    assert psycopg.AsyncCursor is not type(cursor)


async def test_commands_are_timed_but_not_waiting_reads(valkey_url: str) -> None:
    """A command is timed under its name; a read that waits for an event is not."""
    timed = sample("seconds_count", "redis", "SET")
    async with open_redis(valkey_url) as redis:
        await redis.set("metrics-test", "1")
        assert await redis.xread({"metrics-nothing": "0-0"}, block=1) == []
    assert sample("seconds_count", "redis", "SET") == timed + 1
    assert sample("seconds_count", "redis", "XREAD") == 0.0
