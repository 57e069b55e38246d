"""Pools and migrations on a real PostgreSQL."""

import asyncio
from pathlib import Path

import pytest

from services.common.errors import Unavailable
from services.common.postgres import migrate, open_pool, translated_errors

REVISION = """
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE TABLE thing (id bigint PRIMARY KEY)")
"""


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """Give a folder with one revision."""
    folder = tmp_path / "versions"
    folder.mkdir()
    (folder / "0001_thing.py").write_text(REVISION, encoding="utf-8")
    return folder


async def test_two_replicas_may_migrate_at_once(
    postgres_dsn: str, versions: Path
) -> None:
    """Each revision is applied once, and a later start finds nothing to do."""
    await asyncio.gather(*(migrate(postgres_dsn, "shop", versions) for _ in range(2)))
    await migrate(postgres_dsn, "shop", versions)
    async with open_pool(postgres_dsn, "shop") as pool, pool.connection() as connection:
        await connection.execute("INSERT INTO thing VALUES (1)")
        cursor = await connection.execute("SELECT count(*) FROM shop.thing")
        assert await cursor.fetchone() == (1,)


async def test_a_database_that_is_away_is_unavailable() -> None:
    """A pool opens without its database, and its use fails with Unavailable."""
    dsn = "host=127.0.0.1 port=1 user=nobody dbname=none"
    async with open_pool(dsn, "shop", timeout_s=0.3) as pool:
        with pytest.raises(Unavailable), translated_errors():
            async with pool.connection():
                pass
