"""PostgreSQL: a pool for one service's schema, and its migrations.

Each service has a schema of its own, named after it, and sees no other.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import structlog
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy import create_engine, exc, pool, text

from services.common.errors import Unavailable
from services.common.store_metrics import TimedCursor

Pool = AsyncConnectionPool[AsyncConnection[TupleRow]]

_RETRY_EVERY_S = 0.5
_LOCK_CLASS = 0x5390_7000
"""First half of the advisory lock that one migration at a time holds."""

# Alembic keeps the running migration in a global.
_one_at_a_time = threading.Lock()

_log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def open_pool(
    dsn: str, schema: str, *, max_size: int = 8, timeout_s: float = 5.0
) -> AsyncIterator[Pool]:
    """Open connections whose search path is `schema`, then `public`.

    Connections are made in the background, so this succeeds while PostgreSQL is away.

    Args:
        dsn: Connection string.
        schema: Schema of the service.
        max_size: Connections at most.
        timeout_s: Time to wait for a free connection, seconds.
    """
    connections: Pool = AsyncConnectionPool(
        dsn,
        kwargs={
            "options": f"-c search_path={schema},public",
            "application_name": f"spoton-{schema}",
            "connect_timeout": 5,
            "cursor_factory": TimedCursor,
        },
        min_size=1,
        max_size=max_size,
        timeout=timeout_s,
        check=AsyncConnectionPool.check_connection,
        open=False,
    )
    await connections.open(wait=False)
    try:
        yield connections
    finally:
        await connections.close()


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Raise Unavailable where PostgreSQL is away.

    Raises:
        Unavailable: No connection could be had, or it broke.
    """
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
        raise Unavailable("the database is away") from error


async def migrate(dsn: str, schema: str, versions: Path) -> None:
    """Bring a schema to the newest version, creating it if it is missing.

    Waits while PostgreSQL is away, and while another replica migrates.

    Args:
        dsn: Connection string of the role that owns the schema.
        schema: Schema of the service.
        versions: Folder of the Alembic revisions.
    """
    while True:
        try:
            await asyncio.to_thread(_upgrade, dsn, schema, versions)
        except (psycopg.OperationalError, exc.OperationalError) as error:
            _log.warning("database away, waiting", schema=schema, cause=str(error))
            await asyncio.sleep(_RETRY_EVERY_S)
        else:
            return


def _upgrade(dsn: str, schema: str, versions: Path) -> None:
    """Run the missing revisions in one transaction, under a lock."""
    config = Config()
    config.set_main_option("script_location", str(versions.parent))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(versions))
    script = ScriptDirectory.from_config(config)

    def upgrade(revision: object, _context: object) -> object:
        return script._upgrade_revs("head", revision)  # type: ignore[arg-type]  # noqa: SLF001

    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(dsn, connect_timeout=5),
        poolclass=pool.NullPool,
    )
    quoted = sql.Identifier(schema).as_string()
    with _one_at_a_time, engine.begin() as connection:
        connection.execute(
            text("SELECT pg_advisory_xact_lock(:lock_class, hashtext(:schema))"),
            {"lock_class": _LOCK_CLASS, "schema": schema},
        )
        exists = connection.execute(
            text("SELECT 1 FROM pg_namespace WHERE nspname = :schema"),
            {"schema": schema},
        ).scalar()
        if not exists:
            connection.execute(text(f"CREATE SCHEMA {quoted}"))
        connection.execute(text(f"SET LOCAL search_path TO {quoted}, public"))
        with EnvironmentContext(config, script, fn=upgrade) as environment:
            environment.configure(connection=connection, version_table_schema=schema)
            environment.run_migrations()
