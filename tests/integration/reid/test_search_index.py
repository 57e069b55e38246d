"""The search index beside a real database: catching up, lagging, growing."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import faiss
import numpy as np
import pytest

from services.common.drain import DrainSignal
from services.common.errors import Unavailable
from services.common.ids import EnvironmentId, ModelId, TimelineId
from services.common.postgres import Pool, migrate, open_pool
from services.reid.adapters.index_kinds import IndexChoice, IndexKind
from services.reid.adapters.pgvector_index import PgvectorIndex
from services.reid.adapters.vector_index import FaissIndex
from services.reid.adapters.vectors import vector_to_sql
from services.reid.bootstrap import SCHEMA, VERSIONS, prepare
from services.reid.config import ReidConfig
from spoton.reid.v1 import reid_pb2
from tests.integration.reid.conftest import service_config, serving
from tests.integration.reid.conversations import embedding, fresh, looks

MODEL, DIMENSIONS = ModelId("test-model"), 16


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[Pool]:
    """Give a test connections to a schema with tables."""
    await migrate(postgres_dsn, SCHEMA, VERSIONS)
    async with open_pool(postgres_dsn, SCHEMA) as opened:
        yield opened


def unit(count: int, seed: int = 0) -> np.ndarray:
    """Return vectors of unit length."""
    vectors = np.random.default_rng(seed).normal(size=(count, DIMENSIONS))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


class People:
    """Persons of one environment, one prototype each, ids from `first`."""

    def __init__(self, pool: Pool) -> None:
        self.environment_id = EnvironmentId(fresh("plaza"))
        self._pool = pool

    async def add(self, first: int, vectors: np.ndarray, timeline: str = "one") -> None:
        """Store persons and their prototypes."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor()
            await cursor.executemany(
                "INSERT INTO identities (global_id, environment_id, timeline_id, "
                "label, session_id, first_seen_ns, last_seen_ns, provisional, state) "
                "VALUES (%s, %s, %s, %s, 's', 0, 0, false, '{}')",
                [
                    (first + row, self.environment_id, timeline, first + row)
                    for row in range(len(vectors))
                ],
            )
            await cursor.executemany(
                "INSERT INTO prototypes (prototype_id, global_id, environment_id, "
                "model_id, session_id, camera_id, vector, vector_count, captured_ns) "
                "VALUES (%s, %s, %s, %s, 's', 'east', %s::vector, 1, 0)",
                [
                    (
                        first + row,
                        first + row,
                        self.environment_id,
                        MODEL,
                        vector_to_sql(vector),
                    )
                    for row, vector in enumerate(vectors)
                ],
            )

    async def forget(self, ids: Sequence[int]) -> None:
        """Forget prototypes as a commit does."""
        async with self._pool.connection() as connection:
            await connection.execute(
                "UPDATE prototypes SET vector = NULL, changed = pg_current_xact_id() "
                "WHERE prototype_id = ANY(%s)",
                (list(ids),),
            )


def faiss_index(pool: Pool, kind: IndexKind | None = None, **how: float) -> FaissIndex:
    """Return an index of the model."""
    return FaissIndex(pool, MODEL, DIMENSIONS, IndexChoice(kind), **how)


async def test_the_database_answers_while_the_index_lags(pool: Pool) -> None:
    """A search does not wait for an index that has not caught up, nor misses any."""
    people, vectors = People(pool), unit(20)
    await people.add(1, vectors)
    where, query = people.environment_id, vectors[3]
    expected = await PgvectorIndex(pool, MODEL).nearest(where, query, 5)
    async with faiss_index(pool, patience_s=0.05) as index:
        async with index._turn:
            async with asyncio.timeout(10):
                found = await index.nearest(where, query, 5)
            assert found == expected
            assert where not in index._shards
        index._patience_s = 10.0
        caught_up = await index.nearest(where, query, 5)
        assert [one for one, _ in caught_up] == [one for one, _ in expected]
        assert where in index._shards


async def test_index_and_database_agree_on_a_timeline(pool: Pool) -> None:
    """Whoever answers, persons of other timelines are left out."""
    people, vectors = People(pool), unit(40, seed=21)
    await people.add(60_000, vectors[:20], timeline="one")
    await people.add(60_100, vectors[20:], timeline="two")
    where, query = people.environment_id, vectors[25]
    async with faiss_index(pool, patience_s=0.05) as index:
        async with index._turn:
            async with asyncio.timeout(10):
                behind = await index.nearest(where, query, 5, (TimelineId("one"),))
            assert where not in index._shards
        index._patience_s = 10.0
        caught_up = await index.nearest(where, query, 5, (TimelineId("one"),))
        assert [one for one, _ in caught_up] == [one for one, _ in behind]
        assert all(one < 60_100 for one, _ in behind)
        everybody = await index.nearest(where, query, 40)
        assert len(everybody) == 40
        assert everybody[0][0] == 60_105


async def test_a_long_transaction_hides_nobody(pool: Pool) -> None:
    """What is committed while another transaction goes on is found at once."""
    people, vectors = People(pool), unit(3, seed=31)
    async with faiss_index(pool, patience_s=30.0) as index, pool.connection() as long:
        await long.execute("SELECT pg_current_xact_id()")
        await people.add(70_000, vectors[:1])
        assert await index.nearest(people.environment_id, vectors[0], 3) == [
            (70_000, pytest.approx(1.0, abs=1e-5))
        ]
        await people.add(70_001, vectors[1:])
        found = await index.nearest(people.environment_id, vectors[2], 3)
        assert {one for one, _ in found} == {70_000, 70_001, 70_002}


@pytest.mark.parametrize("kind", [IndexKind.HNSW, IndexKind.IVF, IndexKind.PQ])
async def test_a_grown_index_is_built_beside_the_searches(
    pool: Pool, kind: IndexKind
) -> None:
    """Searches are answered before, while and after the kind changes."""
    people = People(pool)
    first = 100_000 * (1 + list(IndexKind).index(kind))
    vectors = unit(2_500, seed=first)
    await people.add(first, vectors)
    where = people.environment_id
    async with faiss_index(pool, kind) as index:
        async with asyncio.timeout(60):
            while index.kind(where) is not kind:
                assert await index.nearest(where, vectors[7], 1) == [
                    (first + 7, pytest.approx(1.0, abs=1e-3))
                ]
        (nearest,) = await index.nearest(where, vectors[7], 1)
        assert nearest[0] == first + 7
        await people.forget([first + 7])
        late = unit(1, seed=99)
        await people.add(first + 5_000, late)
        assert (await index.nearest(where, vectors[7], 1))[0][0] != first + 7
        assert (await index.nearest(where, late[0], 1))[0][0] == first + 5_000
        hits = 0
        truth = PgvectorIndex(pool, MODEL)
        for query in unit(20, seed=4):
            ours = await index.nearest(where, query, 10)
            exact = await truth.nearest(where, query, 10)
            hits += len({one for one, _ in ours} & {one for one, _ in exact})
        assert hits >= 190


async def test_many_searches_at_once_share_the_catching_up(pool: Pool) -> None:
    """Each finds what was committed before it began."""
    people, vectors = People(pool), unit(200, seed=8)
    await people.add(40_000, vectors[:100])
    async with faiss_index(pool, patience_s=30.0) as index:
        where = people.environment_id
        first = await asyncio.gather(
            *(index.nearest(where, vector, 1) for vector in vectors[:50])
        )
        assert [found[0][0] for found in first] == list(range(40_000, 40_050))
        await people.add(40_100, vectors[100:])
        second = await asyncio.gather(
            *(index.nearest(where, vector, 1) for vector in vectors[100:])
        )
        assert [found[0][0] for found in second] == list(range(40_100, 40_200))
        assert await index.nearest(EnvironmentId("nowhere"), vectors[0], 3) == []


async def test_a_database_that_is_away_is_told() -> None:
    """A search without its database is unavailable, and the next one tries again."""
    away = "postgresql://nobody@127.0.0.1:9/none"
    async with (
        open_pool(away, SCHEMA, timeout_s=0.2) as pool,
        faiss_index(pool) as index,
    ):
        for _ in range(2):
            with pytest.raises(Unavailable):
                await index.nearest(EnvironmentId("plaza"), unit(1)[0], 1)


@pytest.mark.skipif(
    getattr(faiss, "get_num_gpus", lambda: 0)() > 0, reason="there is a GPU"
)
async def test_a_service_without_its_gpu_fails_or_falls_back(
    postgres_dsn: str, valkey_url: str, s3: object
) -> None:
    """As configured: it does not start, or it searches on the CPU."""

    def config(fallback: str) -> ReidConfig:
        return service_config(
            postgres_dsn, valkey_url, s3, FAISS_DEVICE="cuda", FALLBACK=fallback
        )

    await prepare(config("fail"))
    with pytest.raises(Unavailable, match="no GPU"):
        async with serving(config("fail"), DrainSignal()):
            pass
    async with serving(config("cpu"), DrainSignal()) as reid:
        request = reid_pb2.SearchIdentitiesRequest(
            environment_id="nowhere", embedding=embedding(looks(1))
        )
        assert not (await reid.SearchIdentities(request)).matches
