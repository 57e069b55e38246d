"""A migrated schema and what writes to it."""

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from services.analytics.adapters.schema import SCHEMA, VERSIONS
from services.analytics.domain.borders import Borders
from services.common.postgres import Pool, migrate, open_pool
from tests.fakes.history_store import HistoryWriter, new_lease

NewWriter = Callable[..., Awaitable[HistoryWriter]]


TIMESCALE = os.environ.get("SPOTON_TEST_TIMESCALE_DSN", "")
"""A TimescaleDB to test on, whose user may make databases; empty for the embedded."""

if TIMESCALE:

    @pytest.fixture(scope="module")
    def postgres_dsn() -> Iterator[str]:
        """Give a module a new database with TimescaleDB."""
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(TIMESCALE, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
            dsn = make_conninfo(TIMESCALE, dbname=name)
            with psycopg.connect(dsn, autocommit=True) as database:
                database.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            yield dsn
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[Pool]:
    """Give connections to the newest schema."""
    await migrate(postgres_dsn, SCHEMA, VERSIONS)
    async with open_pool(postgres_dsn, SCHEMA) as pool:
        yield pool


@pytest.fixture
def new_writer(pool: Pool) -> NewWriter:
    """Give what makes writers, each of an environment of its own."""

    async def made(borders: Borders | None = None) -> HistoryWriter:
        lease = await new_lease(pool, f"plaza-{secrets.token_hex(4)}")
        return HistoryWriter(pool, lease, borders or Borders())

    return made
