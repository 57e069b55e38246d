"""Persons and the pictures that vectors of another model are computed from."""

from collections.abc import Sequence

from services.common.ids import (
    CameraId,
    EnvironmentId,
    GlobalId,
    ModelId,
    TimelineId,
)
from services.common.postgres import Pool, translated_errors
from services.reid.adapters.vectors import vector_to_sql
from services.reid.domain.values import Vector
from services.reid.service.portraits import PortraitRecord
from services.reid.service.reembedding import Sitter

_WHO = """
    environment_id = %(environment_id)s AND merged_into IS NULL
    AND expired_time IS NULL
    AND (%(timeline_id)s::text IS NULL OR timeline_id = %(timeline_id)s)
"""

_COUNT = f"SELECT count(*) FROM identities WHERE {_WHO}"  # noqa: S608 - constants.

_HAS_VECTOR = """
    EXISTS (
        SELECT FROM prototypes AS looks
        WHERE looks.global_id = one.global_id AND model_id = %(model_id)s
            AND vector IS NOT NULL)
"""

_PAGE = f"""
    SELECT global_id, {_HAS_VECTOR}, crop_key, crop_quality, crop_camera_id,
        crop_captured_ns
    FROM identities AS one
    WHERE {_WHO} AND global_id > %(after)s
    ORDER BY global_id LIMIT %(limit)s
"""  # noqa: S608 - constants.

# A merge changes the same row, so it comes before or after.
_LOCK = """
    SELECT FROM identities WHERE global_id = %(global_id)s FOR NO KEY UPDATE
"""

_KEEP = f"""
    INSERT INTO prototypes (
        prototype_id, global_id, environment_id, model_id, session_id, camera_id,
        track_id, vector, vector_count, captured_ns, crop_key)
    SELECT %(prototype_id)s, global_id, environment_id, %(model_id)s, session_id,
        %(camera_id)s, NULL, %(vector)s::vector, 1, %(captured_ns)s, %(crop_key)s
    FROM identities AS one
    WHERE global_id = %(global_id)s AND merged_into IS NULL AND expired_time IS NULL
        AND NOT {_HAS_VECTOR}
"""  # noqa: S608 - constants.


class PostgresSitterTable:
    """Reads persons, and adds prototypes made from their pictures."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def count_sitters(
        self, environment_id: EnvironmentId, timeline_id: TimelineId | None
    ) -> int:
        """Return how many persons stand for themselves.

        Raises:
            Unavailable: The database is away.
        """
        names = {"environment_id": environment_id, "timeline_id": timeline_id}
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(_COUNT.encode(), names)
                found = await cursor.fetchone()
        return int(found[0]) if found else 0

    async def sitters(
        self,
        environment_id: EnvironmentId,
        timeline_id: TimelineId | None,
        model_id: ModelId,
        *,
        after: GlobalId,
        limit: int,
    ) -> Sequence[Sitter]:
        """Return persons with greater ids than `after`, by id.

        Raises:
            Unavailable: The database is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(
                    _PAGE.encode(),
                    {
                        "environment_id": environment_id,
                        "timeline_id": timeline_id,
                        "model_id": model_id,
                        "after": after,
                        "limit": limit,
                    },
                )
                rows = await cursor.fetchall()
        return [
            Sitter(
                GlobalId(global_id),
                has_vector,
                None
                if key is None
                else PortraitRecord(key, quality, CameraId(camera_id), captured_ns),
            )
            for global_id, has_vector, key, quality, camera_id, captured_ns in rows
        ]

    async def keep_vector(
        self,
        prototype_id: GlobalId,
        global_id: GlobalId,
        model_id: ModelId,
        vector: Vector,
        portrait: PortraitRecord,
    ) -> bool:
        """Store a vector, unless the person has one of the model or is no more.

        Raises:
            Unavailable: The database is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                await connection.execute(_LOCK, {"global_id": global_id})
                cursor = await connection.execute(
                    _KEEP.encode(),
                    {
                        "prototype_id": prototype_id,
                        "global_id": global_id,
                        "model_id": model_id,
                        "camera_id": portrait.camera_id,
                        "vector": vector_to_sql(vector),
                        "captured_ns": portrait.captured_ns,
                        "crop_key": portrait.key,
                    },
                )
                return cursor.rowcount == 1
