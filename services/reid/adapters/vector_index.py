"""Prototypes in memory, following what every replica writes to PostgreSQL.

Changes are read by transaction: each row carries the transaction that wrote it last,
and those below the oldest one still running can no longer gain company. So a replica
misses nothing, whatever the order of commits. While a long transaction runs in the
database, what comes after it is found late.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import faiss
import numpy as np

from services.common.ids import EnvironmentId, GlobalId, ModelId
from services.common.postgres import Pool, translated_errors
from services.reid.adapters.vectors import vector_from_sql, vector_to_sql
from services.reid.domain.values import Vector

_HORIZON = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"

_CHANGED = """
    SELECT prototype_id, global_id, environment_id, vector::real[]
    FROM prototypes
    WHERE changed >= %s::text::xid8 AND changed < %s::text::xid8 AND model_id = %s
"""

_NEAREST = """
    SELECT global_id, -min(vector <#> %(vector)s::vector) AS similarity
    FROM prototypes
    WHERE environment_id = %(environment_id)s AND model_id = %(model_id)s
        AND vector IS NOT NULL
    GROUP BY global_id ORDER BY similarity DESC, global_id LIMIT %(limit)s
"""


class FaissIndex:
    """Finds the nearest prototypes of one model.

    Args:
        pool: Connections to the schema.
        model_id: Model of the prototypes; those of others are left out.
        dimensions: Length of a vector.
    """

    def __init__(self, pool: Pool, model_id: ModelId, dimensions: int) -> None:
        self._pool = pool
        self._model_id = model_id
        self._dimensions = dimensions
        self._horizon = "0"
        self._environments: dict[str, _Shard] = {}
        self._turn = asyncio.Lock()

    async def nearest(
        self, environment_id: EnvironmentId, vector: Vector, limit: int
    ) -> Sequence[tuple[GlobalId, float]]:
        """Return persons and the similarity of their nearest prototype, best first.

        Raises:
            Unavailable: The database is away.
        """
        await self.catch_up()
        async with self._turn:
            shard = self._environments.get(environment_id)
            if shard is None:
                return []
            return await asyncio.to_thread(shard.nearest, vector, limit)

    async def catch_up(self) -> None:
        """Read what was written since the last time.

        Raises:
            Unavailable: The database is away.
        """
        async with self._turn:
            with translated_errors():
                async with self._pool.connection() as connection:
                    cursor = connection.cursor(binary=True)
                    await cursor.execute(_HORIZON)
                    found = await cursor.fetchone()
                    horizon = found[0] if found else self._horizon
                    await cursor.execute(
                        _CHANGED, (self._horizon, horizon, self._model_id)
                    )
                    rows = await cursor.fetchall()
            if rows:
                await asyncio.to_thread(self._take, rows)
            self._horizon = horizon

    def _take(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Bring the shards up to date."""
        by_environment: dict[str, list[tuple[Any, ...]]] = {}
        for row in rows:
            by_environment.setdefault(row[2], []).append(row)
        for environment_id, changed in by_environment.items():
            shard = self._environments.get(environment_id)
            if shard is None:
                shard = self._environments[environment_id] = _Shard(self._dimensions)
            shard.replace(changed)


class _Shard:
    """The prototypes of one environment."""

    def __init__(self, dimensions: int) -> None:
        self._index: Any = faiss.IndexIDMap2(faiss.IndexFlatIP(dimensions))
        self._persons: dict[int, GlobalId] = {}

    def replace(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Take new, changed and forgotten prototypes."""
        ids = np.array([row[0] for row in rows], np.int64)
        self._index.remove_ids(ids)
        for prototype_id in ids.tolist():
            self._persons.pop(prototype_id, None)
        kept = [row for row in rows if row[3] is not None]
        if not kept:
            return
        vectors = np.stack([vector_from_sql(row[3]) for row in kept])
        self._index.add_with_ids(vectors, np.array([row[0] for row in kept], np.int64))
        self._persons |= {row[0]: GlobalId(row[1]) for row in kept}

    def nearest(self, vector: Vector, limit: int) -> list[tuple[GlobalId, float]]:
        """Return at most `limit` persons, best first."""
        total = int(self._index.ntotal)
        reach = min(total, 4 * limit)
        while True:
            found: dict[GlobalId, float] = {}
            if reach:
                similarity, ids = self._index.search(vector[None, :], reach)
                for value, one in zip(similarity[0], ids[0], strict=True):
                    found.setdefault(self._persons[int(one)], float(value))
            if len(found) >= limit or reach == total:
                return list(found.items())[:limit]
            reach = min(total, 4 * reach)


class PgvectorIndex:
    """Finds the nearest prototypes in PostgreSQL itself: exact, current, slower."""

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
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(
                    _NEAREST,
                    {
                        "vector": vector_to_sql(vector),
                        "environment_id": environment_id,
                        "model_id": self._model_id,
                        "limit": limit,
                    },
                )
                rows = await cursor.fetchall()
        return [(GlobalId(global_id), float(value)) for global_id, value in rows]
