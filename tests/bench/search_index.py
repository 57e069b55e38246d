"""`python -m tests.bench.search_index [COUNT …]`: measure the kinds of search indexes.

Vectors are made: persons lie in a subspace, their looks scatter around them, so that
the nearest are not far ahead of the next, as with real embedders. Times are those of
one CPU thread, so that others on the machine do not count.
"""

import sys
import time

import faiss
import numpy as np
from rich.console import Console

from services.reid.adapters.index_kinds import BuiltIndex, IndexChoice, IndexKind
from services.reid.domain.values import Vector
from tests.accuracy.report import print_table
from tests.accuracy.table import Cell, Table

DIMENSIONS, LOOKS, SUBSPACE, QUERIES = 512, 5, 64, 200
# What a search for ten persons asks for: several looks of each, and of more persons.
REACH, COUNTED = 160, 10
SIZES = (1_000, 20_000, 200_000)


def people(count: int) -> tuple[Vector, Vector]:
    """Return looks, and other looks of some of the same persons to search for."""
    rng = np.random.default_rng(0)
    persons = -(-count // LOOKS)
    axes = rng.normal(size=(SUBSPACE, DIMENSIONS)).astype(np.float32) / 8
    places = rng.normal(size=(persons, SUBSPACE)).astype(np.float32)
    common = 0.7 * rng.normal(size=DIMENSIONS).astype(np.float32)

    def looks(of: np.ndarray) -> Vector:
        scatter = rng.standard_normal((len(of), DIMENSIONS), np.float32)
        vectors = common + places[of] @ axes + np.float32(0.6) * scatter
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    return looks(np.arange(count) // LOOKS), looks(rng.integers(0, persons, QUERIES))


def row(kind: IndexKind, vectors: Vector, queries: Vector, truth: np.ndarray) -> list:
    """Build an index and search in it."""
    begin_s = time.thread_time()
    built = BuiltIndex(IndexChoice(kind), np.arange(len(vectors)), vectors)
    build_s = time.thread_time() - begin_s
    seconds, hits = [], 0
    for query, nearest in zip(queries, truth, strict=True):
        begin_s = time.thread_time()
        _, found = built.search(query, REACH)
        seconds.append(time.thread_time() - begin_s)
        hits += len(set(found[:COUNTED]) & set(nearest.tolist()))
    size_mb = faiss.serialize_index(built._index).nbytes / 1e6
    cells: list[Cell] = [
        f"{len(vectors):,}",
        kind.value,
        f"{build_s:.2f}",
        f"{size_mb:,.0f}",
        f"{1e3 * np.percentile(seconds, 50):.2f}",
        f"{1e3 * np.percentile(seconds, 95):.2f}",
        f"{hits / COUNTED / len(queries):.3f}",
    ]
    return cells


def measure(sizes: tuple[int, ...] = SIZES) -> Table:
    """Measure every kind at every size."""
    faiss.omp_set_num_threads(1)
    rows = []
    for count in sizes:
        vectors, queries = people(count)
        exact = faiss.IndexFlatIP(DIMENSIONS)
        exact.add(vectors)
        _, truth = exact.search(queries, COUNTED)
        del exact
        rows += [row(kind, vectors, queries, truth) for kind in IndexKind]
    return Table(
        name="search_index",
        title="Search indexes, 512 dimensions",
        columns=(
            "vectors",
            "kind",
            "build s",
            "size MB",
            "p50 ms",
            "p95 ms",
            "recall@10",
        ),
        rows=rows,
        notes=(
            f"Time of one CPU thread; {QUERIES} searches, each for {REACH} prototypes.",
            f"Made vectors, {LOOKS} looks a person.",
        ),
    )


if __name__ == "__main__":
    counts = tuple(int(text) for text in sys.argv[1:]) or SIZES
    print_table(Console(highlight=False), measure(counts))
