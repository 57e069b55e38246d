"""Prototypes searched in PostgreSQL itself: exact, always current, slower."""

from collections.abc import Sequence

from services.common.ids import EnvironmentId, GlobalId, ModelId
from services.common.postgres import Pool, translated_errors
from services.reid.adapters.identity_filter import WANTED, filter_parameters
from services.reid.adapters.vectors import vector_to_sql
from services.reid.domain.identity import IdentityFilter
from services.reid.domain.values import Vector

_ANYBODY = IdentityFilter()

_NEAREST = """
    SELECT global_id, -min(vector <#> %(vector)s::vector) AS similarity
    FROM prototypes
    WHERE environment_id = %(environment_id)s AND model_id = %(model_id)s
        AND vector IS NOT NULL
    GROUP BY global_id ORDER BY similarity DESC, global_id LIMIT %(limit)s
"""

# Who passes is found first, so that only their vectors are read.
_NEAREST_WANTED = f"""
    WITH wanted AS MATERIALIZED (
        SELECT global_id FROM identities AS one
        WHERE environment_id = %(environment_id)s AND {WANTED})
    SELECT global_id, -min(vector <#> %(vector)s::vector) AS similarity
    FROM wanted JOIN prototypes USING (global_id)
    WHERE model_id = %(model_id)s AND vector IS NOT NULL
    GROUP BY global_id ORDER BY similarity DESC, global_id LIMIT %(limit)s
"""  # noqa: S608 - constants.


class PgvectorIndex:
    """Finds the nearest prototypes of one model."""

    def __init__(self, pool: Pool, model_id: ModelId) -> None:
        self._pool = pool
        self._model_id = model_id

    async def nearest(
        self, environment_id: EnvironmentId, vector: Vector, limit: int
    ) -> Sequence[tuple[GlobalId, float]]:
        """Return persons and the similarity of their nearest prototype, best first.

        Raises:
            Unavailable: The database is away.
        """
        return await self.search(environment_id, vector, _ANYBODY, limit)

    async def search(
        self,
        environment_id: EnvironmentId,
        vector: Vector,
        wanted: IdentityFilter,
        limit: int,
    ) -> list[tuple[GlobalId, float]]:
        """Return the nearest of those who pass a filter, best first.

        Raises:
            Unavailable: The database is away.
        """
        query = _NEAREST if wanted == _ANYBODY else _NEAREST_WANTED
        names = {
            "vector": vector_to_sql(vector),
            "environment_id": environment_id,
            "model_id": self._model_id,
            "limit": limit,
        }
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(
                    query.encode(), names | filter_parameters(wanted)
                )
                rows = await cursor.fetchall()
        return [(GlobalId(global_id), float(value)) for global_id, value in rows]
