"""Prototypes in memory, following what every replica writes to PostgreSQL.

Changes are read by transaction: each row carries the transaction that wrote it last,
and those below the oldest one still running can no longer gain company. So a replica
misses nothing, whatever the order of commits. While a long transaction runs in the
database, what comes after it is found late.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from services.common.errors import SpotOnError
from services.common.ids import EnvironmentId, GlobalId, ModelId
from services.common.postgres import Pool, translated_errors
from services.common.tasks import end_tasks
from services.reid.adapters.index_kinds import IndexChoice, IndexKind
from services.reid.adapters.index_shard import ChangedPrototype, IndexShard
from services.reid.adapters.pgvector_index import PgvectorIndex
from services.reid.adapters.vectors import vector_from_sql
from services.reid.domain.values import Vector
from services.reid.observe import INDEX_BUILD_SECONDS, SEARCHES

_HORIZON = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"

_CHANGED = """
    SELECT prototype_id, global_id, environment_id, vector
    FROM prototypes
    WHERE changed >= %s::text::xid8 AND changed < %s::text::xid8 AND model_id = %s
"""

_ROWS_AT_ONCE = 2_000
# A replica that follows reads changes in a few milliseconds.
_PATIENCE_S = 0.1

_log = structlog.get_logger(__name__)


class FaissIndex:
    """Finds the nearest prototypes of one model; an asynchronous context manager.

    While it has not caught up, PostgreSQL answers instead.

    Args:
        pool: Connections to the schema.
        model_id: Model of the prototypes; those of others are left out.
        dimensions: Length of a vector.
        choice: How large indexes are built.
        patience_s: How long a search waits for this index to catch up, seconds.
    """

    def __init__(
        self,
        pool: Pool,
        model_id: ModelId,
        dimensions: int,
        choice: IndexChoice,
        *,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._pool = pool
        self._model_id = model_id
        self._dimensions = dimensions
        self._choice = choice
        self._patience_s = patience_s
        self._database = PgvectorIndex(pool, model_id)
        self._horizon = "0"
        self._shards: dict[str, IndexShard] = {}
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None
        self._builder: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "FaissIndex":
        return self

    async def __aexit__(self, *_: object) -> None:
        await end_tasks(*self._tasks)

    async def nearest(
        self, environment_id: EnvironmentId, vector: Vector, limit: int
    ) -> Sequence[tuple[GlobalId, float]]:
        """Return persons and the similarity of their nearest prototype, best first.

        Raises:
            Unavailable: The database is away.
        """
        current = self._begin_catching_up()
        await asyncio.wait([current], timeout=self._patience_s)
        if not current.done():
            SEARCHES.labels("pgvector").inc()
            return await self._database.nearest(environment_id, vector, limit)
        current.result()
        SEARCHES.labels("faiss").inc()
        shard = self._shards.get(environment_id)
        if shard is None:
            return []
        return await asyncio.to_thread(shard.nearest, vector, limit)

    def kind(self, environment_id: EnvironmentId) -> IndexKind:
        """Return the kind of an environment's index as it is now."""
        shard = self._shards.get(environment_id)
        return shard.kind if shard else IndexKind.FLAT

    def _begin_catching_up(self) -> "asyncio.Task[None]":
        """Return what ends once all that is committed now can be found.

        One that is under way may have begun too early, so the next one is returned.
        """
        if self._next is None:
            self._next = self._started(self._catch_up())
        return self._next

    def _started(self, work: Any) -> "asyncio.Task[None]":
        """Run something in the background until the context ends."""
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # Whoever waits is told; the next search begins again where this one was.
            _log.warning("search index falls behind", cause=str(error))

    async def _catch_up(self) -> None:
        """Read what was written since the last time.

        Raises:
            Unavailable: The database is away.
        """
        async with self._turn:
            self._next = None
            with translated_errors():
                async with self._pool.connection() as connection:
                    found = await (await connection.execute(_HORIZON)).fetchone()
                    horizon = found[0] if found else self._horizon
                    # A first reading may be of gigabytes.
                    async with connection.cursor("changes", binary=True) as cursor:
                        bounds = (self._horizon, horizon, self._model_id)
                        await cursor.execute(_CHANGED, bounds)
                        while rows := await cursor.fetchmany(_ROWS_AT_ONCE):
                            await asyncio.to_thread(self._take, rows)
            self._horizon = horizon
        idle = self._builder is None or self._builder.done()
        if idle and any(shard.wants_building() for shard in self._shards.values()):
            self._builder = self._started(self._build())

    def _take(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Bring the shards up to date."""
        changes: dict[str, list[ChangedPrototype]] = {}
        for prototype_id, global_id, environment_id, vector in rows:
            changes.setdefault(environment_id, []).append(
                ChangedPrototype(
                    prototype_id,
                    GlobalId(global_id),
                    None if vector is None else vector_from_sql(vector),
                )
            )
        for environment_id, changed in changes.items():
            shard = self._shards.get(environment_id)
            if shard is None:
                shard = IndexShard(self._dimensions, self._choice)
                self._shards[environment_id] = shard
            shard.replace(changed)

    async def _build(self) -> None:
        """Build the large indexes that fell behind, one after another."""
        for environment_id, shard in list(self._shards.items()):
            if not shard.wants_building():
                continue
            try:
                with INDEX_BUILD_SECONDS.time():
                    await asyncio.to_thread(shard.build)
            except SpotOnError as error:
                _log.error("search index not built", cause=str(error))
                continue
            _log.info(
                "search index built",
                environment_id=environment_id,
                model_id=self._model_id,
                kind=shard.kind,
            )
