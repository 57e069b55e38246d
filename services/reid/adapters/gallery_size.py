"""How many identities and prototypes are stored, for the metrics."""

import asyncio

import structlog

from services.common.errors import Unavailable
from services.common.postgres import Pool, translated_errors
from services.reid.observe import GALLERY_PERSONS, GALLERY_PROTOTYPES

EVERY_S = 15.0
_EXACT_TO = 100_000

# Counting millions would read them all; beyond, the planner's estimate will do.
_COUNT = f"""
    SELECT CASE WHEN few.rows <= {_EXACT_TO} THEN few.rows ELSE (
        SELECT greatest(reltuples, few.rows)::bigint
        FROM pg_class WHERE oid = '{{table}}'::regclass) END
    FROM (SELECT count(*) AS rows FROM (
        SELECT FROM {{table}} WHERE {{kept}} LIMIT {_EXACT_TO + 1}) AS first) AS few
"""  # noqa: S608 - constants.
_PERSONS = _COUNT.format(table="identities", kept="expired_time IS NULL")
_PROTOTYPES = _COUNT.format(table="prototypes", kept="vector IS NOT NULL")

_log = structlog.get_logger(__name__)


async def show_gallery_size(pool: Pool, *, every_s: float = EVERY_S) -> None:
    """Keep the gauges of the gallery up to date until cancelled.

    Args:
        pool: Connections to the schema.
        every_s: Time between two looks, seconds.
    """
    while True:
        try:
            persons, prototypes = await gallery_size(pool)
        except Unavailable as error:
            _log.warning("the gallery is not counted", cause=error.message)
        else:
            GALLERY_PERSONS.set(persons)
            GALLERY_PROTOTYPES.set(prototypes)
        await asyncio.sleep(every_s)


async def gallery_size(pool: Pool) -> tuple[int, int]:
    """Return how many persons and prototypes are stored; an estimate for very many.

    Raises:
        Unavailable: The database is away.
    """
    counts = []
    with translated_errors():
        async with pool.connection() as connection:
            for query in (_PERSONS, _PROTOTYPES):
                row = await (await connection.execute(query)).fetchone()
                counts.append(int(row[0]) if row else 0)
    persons, prototypes = counts
    return persons, prototypes
