"""Each service with tables can migrate in a program of its own."""

import asyncio
import os
import sys

import psycopg
import pytest


@pytest.mark.parametrize("service", ["reid", "mapper", "pipeline", "gateway"])
async def test_a_job_makes_the_schema_and_ends(service: str, postgres_dsn: str) -> None:
    """`python -m services.<name>.migrate` ends with 0, and the schema has tables."""
    job = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"services.{service}.migrate",
        env={**os.environ, f"SPOTON_{service.upper()}_POSTGRES_DSN": postgres_dsn},
        stderr=asyncio.subprocess.PIPE,
    )
    _, log = await job.communicate()
    assert job.returncode == 0, log.decode()
    assert postgres_dsn.encode() not in log
    async with await psycopg.AsyncConnection.connect(postgres_dsn) as connection:
        cursor = await connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = %s", (service,)
        )
        (tables,) = await cursor.fetchone() or (0,)
    assert tables > 1
