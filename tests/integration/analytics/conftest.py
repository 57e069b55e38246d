"""A migrated schema and what writes to it."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from services.analytics.adapters.schema import SCHEMA, VERSIONS
from services.analytics.domain.borders import Borders
from services.common.postgres import Pool, migrate, open_pool
from tests.fakes.history_store import HistoryWriter, new_lease

NewWriter = Callable[..., Awaitable[HistoryWriter]]


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
