"""Prototypes in memory, following what every replica writes to PostgreSQL.

Changes are read by transaction: each row carries the transaction that wrote it last,
and those below the oldest one still running can no longer gain company. What is
committed above it is taken too, and read again the next time. So a replica misses
nothing, whatever the order of commits and however long others run.
"""

import asyncio
import heapq
from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from services.common.errors import SpotOnError
from services.common.ids import EnvironmentId, GlobalId, ModelId, TimelineId
from services.common.postgres import Pool, translated_errors
from services.common.tasks import end_tasks
from services.reid.adapters.index_kinds import IndexChoice, IndexKind
from services.reid.adapters.index_shard import ChangedPrototype, Found, IndexShard
from services.reid.adapters.pgvector_index import PgvectorIndex
from services.reid.adapters.vectors import vector_from_sql
from services.reid.domain.identity import IdentityFilter
from services.reid.domain.values import Vector
from services.reid.observe import INDEX_BUILD_SECONDS, SEARCHES

_HORIZON = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"

# No join: the planner cannot tell how few rows are new, and would read everybody.
_CHANGED = """
    SELECT prototype_id, global_id, environment_id,
        (SELECT timeline_id FROM identities AS one
            WHERE one.global_id = looks.global_id),
        vector
    FROM prototypes AS looks
    WHERE changed >= %s::text::xid8 AND model_id = %s
"""

_ROWS_AT_ONCE = 2_000
# A replica that follows reads changes in a few milliseconds.
_PATIENCE_S = 0.1
_CLOSING_PATIENCE_S = 5.0

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
        # By environment and timeline.
        self._shards: dict[str, dict[str, IndexShard]] = {}
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None
        self._builder: asyncio.Task[None] | None = None
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "FaissIndex":
        return self

    async def __aexit__(self, *_: object) -> None:
        # A reading ends between two batches: a cursor that is cut off stays open.
        self._closing = True
        if readings := [task for task in self._tasks if task is not self._builder]:
            await asyncio.wait(readings, timeout=_CLOSING_PATIENCE_S)
        await end_tasks(*self._tasks)

    async def nearest(
        self,
        environment_id: EnvironmentId,
        vector: Vector,
        limit: int,
        timeline_ids: Sequence[TimelineId] = (),
    ) -> Found:
        """Return persons and the similarity of their nearest prototype, best first.

        Raises:
            Unavailable: The database is away.
        """
        current = self._begin_catching_up()
        await asyncio.wait([current], timeout=self._patience_s)
        if not current.done():
            SEARCHES.labels("pgvector").inc()
            wanted = IdentityFilter(timeline_ids=tuple(timeline_ids))
            return await self._database.search(environment_id, vector, wanted, limit)
        current.result()
        SEARCHES.labels("faiss").inc()
        shards = self._shards.get(environment_id, {})
        chosen = [
            shard
            for timeline_id, shard in shards.items()
            if not timeline_ids or timeline_id in timeline_ids
        ]
        return await asyncio.to_thread(_nearest, chosen, vector, limit)

    async def search(
        self,
        environment_id: EnvironmentId,
        vector: Vector,
        wanted: IdentityFilter,
        limit: int,
    ) -> Found:
        """Return the nearest of those who pass a filter, exactly.

        Raises:
            Unavailable: The database is away.
        """
        SEARCHES.labels("pgvector").inc()
        return await self._database.search(environment_id, vector, wanted, limit)

    def kind(self, environment_id: EnvironmentId) -> IndexKind:
        """Return the kind of an environment's largest index as it is now."""
        shards = self._shards.get(environment_id, {}).values()
        largest = max(shards, key=lambda shard: shard.count, default=None)
        return largest.kind if largest else IndexKind.FLAT

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
                        bounds = (self._horizon, self._model_id)
                        await cursor.execute(_CHANGED, bounds)
                        while rows := await cursor.fetchmany(_ROWS_AT_ONCE):
                            await asyncio.to_thread(self._take, rows)
                            if self._closing:
                                return
            self._horizon = horizon
        idle = self._builder is None or self._builder.done()
        if idle and any(shard.wants_building() for _, shard in self._all_shards()):
            self._builder = self._started(self._build())

    def _take(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Bring the shards up to date."""
        changes: dict[tuple[str, str], list[ChangedPrototype]] = {}
        for prototype_id, global_id, environment_id, timeline_id, vector in rows:
            changes.setdefault((environment_id, timeline_id), []).append(
                ChangedPrototype(
                    prototype_id,
                    GlobalId(global_id),
                    None if vector is None else vector_from_sql(vector),
                )
            )
        for (environment_id, timeline_id), changed in changes.items():
            shards = self._shards.setdefault(environment_id, {})
            if timeline_id not in shards:
                # As a whole: a search may be going over the old one.
                shard = IndexShard(self._dimensions, self._choice)
                shards = shards | {timeline_id: shard}
                self._shards[environment_id] = shards
            shards[timeline_id].replace(changed)

    def _all_shards(self) -> list[tuple[str, IndexShard]]:
        """Return every index with its environment."""
        return [
            (environment_id, shard)
            for environment_id, shards in list(self._shards.items())
            for shard in shards.values()
        ]

    async def _build(self) -> None:
        """Build the large indexes that fell behind, one after another."""
        for environment_id, shard in self._all_shards():
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


def _nearest(shards: Sequence[IndexShard], vector: Vector, limit: int) -> Found:
    """Return the nearest persons of all timelines, best first."""
    found = (one for shard in shards for one in shard.nearest(vector, limit))
    return heapq.nlargest(limit, found, key=lambda one: one[1])
