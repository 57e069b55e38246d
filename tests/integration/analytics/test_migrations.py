"""Migrations of the schema, on a real PostgreSQL."""

import psycopg

from services.analytics.adapters.schema import SCHEMA, VERSIONS
from services.common.postgres import migrate

TABLES = {
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
    """Migrating twice is migrating once; positions are partitioned by time."""
    await migrate(postgres_dsn, SCHEMA, VERSIONS)
    await migrate(postgres_dsn, SCHEMA, VERSIONS)
    with psycopg.connect(postgres_dsn) as connection:
        found = connection.execute(
            "SELECT relname, relkind::text FROM pg_class JOIN pg_namespace n"
            " ON n.oid = relnamespace WHERE nspname = %s AND relkind IN ('r', 'p')",
            (SCHEMA,),
        ).fetchall()
    assert {name for name, _ in found} == TABLES | {"alembic_version"}
    assert ("positions", "p") in found
