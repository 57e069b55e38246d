"""Persons in PostgreSQL whose retention has ended."""

from collections.abc import Sequence

from services.common.postgres import Pool, translated_errors
from services.reid.domain.global_ids import EPOCH_MS, LOW_BITS

_LOCK = 0x5390_7002
"""Advisory lock of the one replica that expires at a time."""

# An id tells when it was drawn: a recording of long ago counts from its analysis on.
# Who is in a live state, present or recalled, stays until it is left.
_EXPIRE = f"""
    WITH due AS (
        SELECT global_id FROM identities AS one
        WHERE expired_time IS NULL AND last_seen_ns < %(before_ns)s
            AND ((global_id >> {LOW_BITS}) + {EPOCH_MS}) < %(before_ns)s / 1000000
            AND NOT EXISTS (
                SELECT FROM timelines AS line
                WHERE line.environment_id = one.environment_id
                    AND line.timeline_id = one.timeline_id
                    AND one.global_id = ANY(line.recalled))
        ORDER BY last_seen_ns LIMIT %(most)s
        FOR NO KEY UPDATE SKIP LOCKED),
    -- Whoever follows the changes must learn of it: rows stay for a while.
    forgotten AS (
        UPDATE prototypes
        SET vector = NULL, floor_id = NULL, position = NULL,
            changed = pg_current_xact_id(), changed_time = now()
        FROM due WHERE prototypes.global_id = due.global_id AND vector IS NOT NULL
        RETURNING prototype_id),
    unseen AS (
        DELETE FROM camera_sightings USING due
        WHERE camera_sightings.global_id = due.global_id),
    -- The row stays: ids and labels are not used again, and merges lead on.
    expired AS (
        UPDATE identities
        SET expired_time = now(), floor_id = NULL, position = NULL,
            calibration_revision = NULL, state = '{{}}', merge = NULL
        FROM due WHERE identities.global_id = due.global_id
        RETURNING identities.global_id)
    SELECT (SELECT count(*) FROM expired), (SELECT count(*) FROM forgotten)
"""  # noqa: S608 - constants.

# By now every replica has read that they are forgotten.
_PURGE = """
    DELETE FROM prototypes WHERE prototype_id IN (
        SELECT prototype_id FROM prototypes
        WHERE vector IS NULL AND changed_time < now() - interval '1 day'
        ORDER BY changed_time LIMIT %(most)s)
"""

_STALE = """
    SELECT crop_key FROM identities
    WHERE expired_time IS NOT NULL AND crop_key IS NOT NULL
    ORDER BY global_id LIMIT %s
"""

_DROP = """
    UPDATE identities
    SET crop_key = NULL, crop_quality = NULL, crop_camera_id = NULL,
        crop_captured_ns = NULL
    WHERE expired_time IS NOT NULL AND crop_key = ANY(%s)
"""


class PostgresExpiryTable:
    """Forgets what is known of persons, and keeps their ids."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def expire(self, before_ns: int, most: int) -> tuple[int, int]:
        """Forget persons who were not seen since a time, and how they looked.

        Raises:
            Unavailable: The database is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(
                    "SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,)
                )
                if await cursor.fetchone() != (True,):
                    return 0, 0
                bounds = {"before_ns": before_ns, "most": most}
                cursor = await connection.execute(_EXPIRE.encode(), bounds)
                persons, prototypes = await cursor.fetchone() or (0, 0)
                await connection.execute(_PURGE, bounds)
        return int(persons), int(prototypes)

    async def stale_pictures(self, most: int) -> Sequence[str]:
        """Return names of pictures whose persons are expired.

        Raises:
            Unavailable: The database is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(_STALE, (most,))
                return [name for (name,) in await cursor.fetchall()]

    async def drop_pictures(self, names: Sequence[str]) -> None:
        """Note that pictures are gone.

        Raises:
            Unavailable: The database is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                await connection.execute(_DROP, (list(names),))
