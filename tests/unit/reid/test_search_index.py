"""Kinds of search indexes, and how they follow changes."""

import threading

import faiss
import numpy as np
import pytest

from services.common.errors import Unavailable
from services.common.ids import GlobalId
from services.reid.adapters import index_kinds
from services.reid.adapters.index_kinds import (
    APPROXIMATE_FROM,
    BuiltIndex,
    IndexChoice,
    IndexKind,
    choose_index,
)
from services.reid.adapters.index_shard import ChangedPrototype, IndexShard

DIMENSIONS, PERSONS, LOOKS = 64, 1_200, 5


def people(count: int = PERSONS, *, seed: int = 0) -> np.ndarray:
    """Return looks of people who resemble each other, shape (count, LOOKS, D)."""
    rng = np.random.default_rng(seed)
    axes = rng.normal(size=(12, DIMENSIONS))
    centres = rng.normal(size=(count, 1, 12)) @ axes
    each = centres + 0.8 * rng.normal(size=(count, LOOKS, DIMENSIONS))
    return (each / np.linalg.norm(each, axis=2, keepdims=True)).astype(np.float32)


def changes(looks: np.ndarray, *, first: int = 1) -> list[ChangedPrototype]:
    """Return the changes that bring looks; prototypes and persons count from one."""
    return [
        ChangedPrototype(first + LOOKS * person + look, GlobalId(person + 1), vector)
        for person, vectors in enumerate(looks)
        for look, vector in enumerate(vectors)
    ]


def filled(kind: IndexKind | None, looks: np.ndarray) -> IndexShard:
    """Return a shard that holds looks, in a large index of a kind."""
    shard = IndexShard(DIMENSIONS, IndexChoice(kind))
    shard.replace(changes(looks))
    if kind is not IndexKind.FLAT:
        assert shard.wants_building()
        shard.build()
    return shard


def truth(looks: np.ndarray, query: np.ndarray, limit: int) -> list[int]:
    """Return the nearest persons, by comparing with everybody."""
    nearest = (looks @ query).max(axis=1)
    return [int(person) + 1 for person in np.argsort(-nearest)[:limit]]


@pytest.mark.parametrize("kind", IndexKind)
def test_every_kind_finds_nearly_all_of_the_nearest_ten(kind: IndexKind) -> None:
    """Recall at ten against comparing with everybody is at least .95."""
    looks = people()
    shard = filled(kind, looks)
    assert shard.kind is kind
    hits = 0
    for query in people(60, seed=7)[:, 0]:
        found = [person for person, _ in shard.nearest(query, 10)]
        assert len(found) == len(set(found)) == 10
        hits += len(set(found) & set(truth(looks, query, 10)))
    assert hits / 600 >= (1.0 if kind is IndexKind.FLAT else 0.95)


@pytest.mark.parametrize("kind", IndexKind)
def test_a_search_for_everybody_misses_nobody(kind: IndexKind) -> None:
    """However far a search reaches, it is complete."""
    looks = people(500)
    query = people(1, seed=3)[0, 0]
    found = filled(kind, looks).nearest(query, 10_000)
    everybody = truth(looks, query, 500)
    assert {person for person, _ in found} == set(everybody)
    similarities = [similarity for _, similarity in found]
    assert similarities == sorted(similarities, reverse=True)
    # Vectors of 16-bit numbers may exchange places that differ by no more.
    exact = np.sort((looks @ query).max(axis=1))[::-1]
    assert similarities == pytest.approx(exact.tolist(), abs=1e-3)
    if kind is not IndexKind.PQ:
        assert [person for person, _ in found] == everybody


@pytest.mark.parametrize("kind", [IndexKind.HNSW, IndexKind.IVF, IndexKind.PQ])
def test_changes_count_at_once_in_a_large_index(kind: IndexKind) -> None:
    """New, changed, moved and forgotten prototypes need no building."""
    looks = people()
    shard = filled(kind, looks)
    stranger = people(1, seed=11)[0]
    shard.replace([ChangedPrototype(100_000, GlobalId(9_999), stranger[0])])
    assert shard.nearest(stranger[0], 1) == [(9_999, pytest.approx(1.0, abs=1e-3))]
    gone = [ChangedPrototype(1 + look, GlobalId(1), None) for look in range(LOOKS)]
    shard.replace(gone)
    found = [person for person, _ in shard.nearest(looks[0, 0], len(looks))]
    assert 1 not in found
    assert len(found) == len(looks)
    moved = ChangedPrototype(1 + LOOKS, GlobalId(7_777), looks[1, 0])
    shard.replace([moved])
    assert shard.nearest(looks[1, 0], 1)[0][0] == 7_777
    shard.build()
    assert shard.nearest(looks[1, 0], 1)[0][0] == 7_777
    assert 1 not in [person for person, _ in shard.nearest(looks[0, 0], len(looks))]


def test_building_does_not_stop_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the large index is built, searches and changes go on, and are kept."""
    looks, stranger = people(), people(1, seed=11)[0]
    shard = IndexShard(DIMENSIONS, IndexChoice(IndexKind.HNSW))
    shard.replace(changes(looks))
    building, go_on = threading.Event(), threading.Event()
    build = index_kinds._BUILDERS[IndexKind.HNSW]

    def slowly(vectors: np.ndarray) -> object:
        building.set()
        assert go_on.wait(30)
        return build(vectors)

    monkeypatch.setitem(index_kinds._BUILDERS, IndexKind.HNSW, slowly)
    builder = threading.Thread(target=shard.build)
    builder.start()
    try:
        assert building.wait(30)
        assert shard.nearest(looks[4, 0], 1)[0][0] == 5
        shard.replace([ChangedPrototype(100_000, GlobalId(9_999), stranger[0])])
        shard.replace([ChangedPrototype(1, GlobalId(1), stranger[1])])
        assert shard.kind is IndexKind.FLAT
    finally:
        go_on.set()
        builder.join()
    assert shard.kind is IndexKind.HNSW
    assert shard.nearest(stranger[0], 1)[0][0] == 9_999
    assert shard.nearest(stranger[1], 1)[0][0] == 1
    assert shard.nearest(looks[4, 0], 1)[0][0] == 5


def test_the_kind_follows_the_size() -> None:
    """Few are compared one by one, many by their codes, or by clusters on a GPU."""
    choice = IndexChoice()
    assert choice.kind_for(APPROXIMATE_FROM - 1) is IndexKind.FLAT
    assert choice.kind_for(APPROXIMATE_FROM) is IndexKind.PQ
    assert choice.kind_for(10_000_000) is IndexKind.PQ
    assert IndexChoice(on_gpu=True).kind_for(APPROXIMATE_FROM) is IndexKind.IVF
    assert IndexChoice(IndexKind.HNSW).kind_for(5) is IndexKind.HNSW


def test_a_small_shard_builds_nothing() -> None:
    """Below the first threshold there is nothing to build, whatever changes."""
    shard = IndexShard(DIMENSIONS, IndexChoice())
    for _ in range(4):
        shard.replace(changes(people()))
    assert not shard.wants_building()
    assert not shard._changed


def test_an_empty_shard_finds_nobody() -> None:
    """A search before the first change, or after all are forgotten, is empty."""
    shard = IndexShard(DIMENSIONS, IndexChoice())
    query = people(1)[0, 0]
    assert shard.nearest(query, 3) == []
    shard.replace([ChangedPrototype(1, GlobalId(1), query)])
    shard.replace([ChangedPrototype(1, GlobalId(1), None)])
    assert shard.nearest(query, 3) == []
    shard.build()


@pytest.mark.skipif(
    getattr(faiss, "get_num_gpus", lambda: 0)() > 0, reason="there is a GPU"
)
def test_an_absent_gpu_fails_or_falls_back() -> None:
    """As configured: an error that says so, or the CPU."""
    with pytest.raises(Unavailable, match="no GPU"):
        choose_index("auto", "cuda", may_fall_back=False)
    assert choose_index("ivf", "cuda", may_fall_back=True) == IndexChoice(
        IndexKind.IVF, on_gpu=False, may_fall_back=True
    )


class LostGpu:
    """An index on a GPU that is gone."""

    def search(self, queries, reach):
        raise RuntimeError("CUDA error 999: unknown error")


@pytest.mark.parametrize("may_fall_back", [False, True])
def test_a_gpu_that_is_lost_fails_or_is_replaced(
    may_fall_back: bool,  # noqa: FBT001 - a parameter of the test.
) -> None:
    """The copy in memory answers, if that is configured."""
    vectors = people(20)[:, 0]
    choice = IndexChoice(IndexKind.FLAT, may_fall_back=may_fall_back)
    index = BuiltIndex(choice, np.arange(20), vectors)
    index._on_gpu = LostGpu()
    if not may_fall_back:
        with pytest.raises(Unavailable, match="GPU"):
            index.search(vectors[3], 1)
        return
    for _ in range(2):
        assert index.search(vectors[3], 1) == ([pytest.approx(1.0)], [3])
    assert index._on_gpu is None


def full_gpu(resources: object, device: int, index: object) -> object:
    """Take the place of what copies an index to a GPU."""
    raise RuntimeError("Error: 'err == cudaSuccess' failed: out of memory")


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give a test a FAISS that believes in a GPU and computes on the CPU."""
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1, raising=False)
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(
        faiss,
        "index_cpu_to_gpu",
        lambda _resources, _device, index: index,
        raising=False,
    )
    return monkeypatch


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_a_gpu_is_searched_where_there_is_one(
    one_gpu: pytest.MonkeyPatch, kind: str
) -> None:
    """Large indexes go there, and what changed since is found beside them."""
    looks = people()
    shard = IndexShard(DIMENSIONS, choose_index(kind, "cuda", may_fall_back=False))
    shard.replace(changes(looks))
    assert shard.wants_building()
    shard.build()
    assert shard._built is not None
    assert shard._built._on_gpu is not None
    assert shard.nearest(looks[8, 0], 1)[0][0] == 9
    stranger = people(1, seed=11)[0, 0]
    shard.replace([ChangedPrototype(100_000, GlobalId(9_999), stranger)])
    assert shard.nearest(stranger, 1)[0][0] == 9_999
    assert len(shard.nearest(stranger, 10_000)) == PERSONS + 1


@pytest.mark.parametrize("may_fall_back", [False, True])
def test_a_full_gpu_fails_or_is_replaced(
    one_gpu: pytest.MonkeyPatch,
    may_fall_back: bool,  # noqa: FBT001 - a parameter of the test.
) -> None:
    """An index that does not fit is searched in memory, if that is configured."""
    one_gpu.setattr(faiss, "index_cpu_to_gpu", full_gpu, raising=False)
    looks = people()
    choice = choose_index("flat", "cuda", may_fall_back=may_fall_back)
    shard = IndexShard(DIMENSIONS, choice)
    shard.replace(changes(looks))
    if may_fall_back:
        shard.build()
        assert shard.nearest(looks[8, 0], 1)[0][0] == 9
        return
    with pytest.raises(Unavailable, match="GPU"):
        shard.build()
    assert not shard.wants_building()
    with pytest.raises(Unavailable, match="GPU"):
        shard.nearest(looks[8, 0], 1)
