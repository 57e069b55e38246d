"""Migrations of the schema, on a real PostgreSQL."""

import asyncio
import os
import shutil
import sys
from datetime import date
from pathlib import Path

import psycopg

from services.analytics.adapters.partitions import Partitions
from services.analytics.adapters.schema import SCHEMA, VERSIONS
from services.analytics.domain.borders import Borders
from services.analytics.domain.lease import Lease
from services.common.postgres import Pool, migrate, open_pool
from stack.stores.postgres import Postgres
from stack.stores.process import StoreProcess
from tests.fakes.history_events import Seen, update
from tests.fakes.history_store import HistoryWriter, new_lease
from tests.integration.analytics.conftest import TIMESCALE

TABLES = {
    "appearances",
    "camera_minutes",
    "cell_hours",
    "crossings",
    "environments",
    "history_gaps",
    "identity_events",
    "passes",
    "persons",
    "positions",
    "session_events",
    "sessions",
    "speed_hours",
    "stays",
    "timeline_gaps",
    "timeline_minutes",
    "tracks",
    "tripwires",
    "views",
    "visits",
    "workers",
    "zones",
}


async def test_a_new_database_gets_all_tables(postgres_dsn: str) -> None:
    """Migrating twice is migrating once; positions are divided by time."""
    await migrate(postgres_dsn, SCHEMA, VERSIONS)
    await migrate(postgres_dsn, SCHEMA, VERSIONS)
    with psycopg.connect(postgres_dsn) as connection:
        found = connection.execute(
            "SELECT relname, relkind::text FROM pg_class JOIN pg_namespace n"
            " ON n.oid = relnamespace WHERE nspname = %s AND relkind IN ('r', 'p')",
            (SCHEMA,),
        ).fetchall()
    assert {name for name, _ in found} == TABLES | {"alembic_version"}
    assert ("positions", "r" if TIMESCALE else "p") in found


async def test_an_older_schema_keeps_its_data(
    postgres_server: StoreProcess[Postgres], tmp_path: Path
) -> None:
    """History of the first version is there, and goes on, after two replicas migrate.

    What the first version wrote to is still there, so that its replicas can go on
    meanwhile: a migration only adds.
    """
    dsn = postgres_server.store.dsn()
    older = tmp_path / "versions"
    older.mkdir()
    shutil.copy(VERSIONS / "0001_history.py", older)
    await migrate(dsn, SCHEMA, older)
    events = [update(i / 10, [Seen(1, (i * 0.1, 0.0))]) for i in range(30)]
    async with open_pool(dsn, SCHEMA) as pool:
        lease = await new_lease(pool, "plaza")
        await _insert_by_hand(pool, lease)
        before = await _columns(pool)
        await asyncio.gather(*(migrate(dsn, SCHEMA, VERSIONS) for _ in range(2)))
        assert before <= await _columns(pool)
        # What the older version stored is told by camera, too.
        writer = HistoryWriter(pool, lease, Borders())
        assert await writer.rows(
            "SELECT stay_id, camera_id, start_time = end_time FROM appearances"
            " ORDER BY camera_id"
        ) == [(1, "east", True), (1, "west", True)]
        await writer.write(events)
        assert await writer.rows("SELECT samples FROM stays ORDER BY stay_id") == [
            (1,),
            (30,),
        ]
        assert await writer.rows("SELECT count(*) FROM positions") == [(31,)]


async def test_a_job_can_migrate_alone(postgres_dsn: str) -> None:
    """`python -m services.analytics.migrate` makes the schema and ends with 0."""
    job = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.analytics.migrate",
        env={**os.environ, "SPOTON_ANALYTICS_POSTGRES_DSN": postgres_dsn},
        stderr=asyncio.subprocess.PIPE,
    )
    _, log = await job.communicate()
    assert job.returncode == 0, log.decode()
    assert postgres_dsn.encode() not in log
    async with open_pool(postgres_dsn, SCHEMA) as pool:
        assert ("positions", "x_m") in await _columns(pool)


async def _columns(pool: Pool) -> set[tuple[str, str]]:
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = current_schema()"
        )
        return {(table, column) for table, column in await cursor.fetchall()}


async def _insert_by_hand(pool: Pool, lease: Lease) -> None:
    """Store one sample as the first version would have."""
    await Partitions(pool).ensure([date(2026, 1, 1)])
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO persons (environment_id, global_id, timeline_id, person_id)"
            " VALUES (%s, 9, 'older', 9)",
            (lease.environment_id,),
        )
        await connection.execute(
            "INSERT INTO stays (stay_id, environment_id, timeline_id, pass, session_id,"
            " published_id, global_id, person_id, floor_id, start_time, end_time,"
            " samples, distance_m, handed_over, passage)"
            " VALUES (1, %s, 'older', 1, 'session', 9, 9, 9, 'ground',"
            " '2026-01-01 10:00Z', '2026-01-01 10:00Z', 1, 0, false, true)",
            (lease.environment_id,),
        )
        await connection.execute(
            "INSERT INTO views VALUES (%s, 1, '{east,west}')", (lease.environment_id,)
        )
        await connection.execute(
            "INSERT INTO positions (capture_time, stay_id, frame_set, view_id)"
            " VALUES ('2026-01-01 10:00Z', 1, 1, 1)"
        )
