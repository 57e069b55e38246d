"""Kinds of FAISS indexes: built once from many vectors, then only searched.

Vectors have unit length, so the inner product is their cosine.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import faiss
import numpy as np
import structlog
from numpy.typing import NDArray

from services.common.errors import Unavailable
from services.reid.domain.values import Vector

Ids = NDArray[np.int64]

# Measured, see the README: below the first, comparing with everybody takes a few
# milliseconds; above the second, building the graph takes many minutes.
HNSW_FROM, IVF_FROM = 20_000, 500_000

MOST_APPROXIMATE = 2_000
"""Results beyond which a search is exact; GPUs answer no more than 2,048."""

_NEIGHBOURS = 16
_BUILD_BREADTH = 80
_LEAST_BREADTH = 160
_LISTS_PER_VISITED = 4
_TRAINED_PER_LIST = 64

_log = structlog.get_logger(__name__)


class IndexKind(StrEnum):
    """How an index finds the nearest vectors.

    Attributes:
        FLAT: Compares with every vector; exact.
        HNSW: Walks a graph of neighbours (Malkov and Yashunin, 2018).
        IVF: Compares with the vectors of the nearest clusters.
    """

    FLAT = "flat"
    HNSW = "hnsw"
    IVF = "ivf"


@dataclass(frozen=True, slots=True)
class IndexChoice:
    """How indexes are built.

    Attributes:
        kind: The kind, whatever the size; None chooses by size.
        on_gpu: Whether flat and IVF indexes are kept on the first GPU. FAISS has no
            HNSW there.
        may_fall_back: Whether the CPU stands in for a GPU that fails.
    """

    kind: IndexKind | None = None
    on_gpu: bool = False
    may_fall_back: bool = False

    def kind_for(self, count: int) -> IndexKind:
        """Return the kind for a number of vectors."""
        if self.kind is not None:
            return self.kind
        if count < HNSW_FROM:
            return IndexKind.FLAT
        return IndexKind.IVF if self.on_gpu or count >= IVF_FROM else IndexKind.HNSW


def choose_index(kind: str, device: str, *, may_fall_back: bool) -> IndexChoice:
    """Return how indexes are built on this machine.

    Args:
        kind: A kind, or `auto`.
        device: `cpu` or `cuda`.
        may_fall_back: Whether the CPU may stand in for a GPU that is absent or fails.

    Raises:
        Unavailable: There is no GPU, or this FAISS has no support for one.
    """
    chosen = None if kind == "auto" else IndexKind(kind)
    if device == "cpu":
        return IndexChoice(chosen)
    # The build for the CPU alone lacks the function.
    gpus = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    if gpus == 0 and not may_fall_back:
        raise Unavailable("FAISS finds no GPU to search on")
    if gpus == 0:
        _log.warning("FAISS finds no GPU and searches on the CPU")
    return IndexChoice(chosen, gpus > 0, may_fall_back)


class BuiltIndex:
    """Vectors in an index that never changes."""

    def __init__(self, choice: IndexChoice, ids: Ids, vectors: Vector) -> None:
        """Build the index; takes from milliseconds to minutes.

        Args:
            choice: Kind and place.
            ids: int64, shape (N,), of the prototypes.
            vectors: float32, shape (N, dimensions), unit length.

        Raises:
            Unavailable: The GPU cannot take it, and nothing may stand in.
        """
        self.ids = ids
        self.kind = choice.kind_for(len(ids))
        self._may_fall_back = choice.may_fall_back
        self._index = _BUILDERS[self.kind](vectors)
        self._on_gpu: Any = None
        if choice.on_gpu and self.kind is not IndexKind.HNSW:
            try:
                self._on_gpu = faiss.index_cpu_to_gpu(_gpu(), 0, self._index)
            except RuntimeError as error:
                self._lose_gpu(error)

    def search(self, vector: Vector, reach: int) -> tuple[list[float], list[int]]:
        """Return the similarities and ids of the nearest prototypes, best first.

        Args:
            vector: float32, shape (dimensions,), unit length.
            reach: Prototypes at most. Beyond `MOST_APPROXIMATE` the search is exact.

        Raises:
            Unavailable: The GPU failed, and nothing may stand in.
        """
        index = self._index
        parameters: Any = None
        exact = reach > MOST_APPROXIMATE
        if self.kind is IndexKind.HNSW and exact:
            index = faiss.downcast_index(index.storage)
        elif self.kind is IndexKind.HNSW:
            breadth = max(_LEAST_BREADTH, reach)
            # Its stubs lack the class.
            parameters = faiss.SearchParametersHNSW()  # type: ignore[attr-defined]
            parameters.efSearch = breadth
        elif self.kind is IndexKind.IVF:
            visited = index.nlist if exact else -(-index.nlist // _LISTS_PER_VISITED)
            parameters = faiss.SearchParametersIVF()
            parameters.nprobe = visited
        if self._on_gpu is not None and not exact:
            try:
                return self._named(*self._on_gpu.search(vector[None, :], reach))
            except RuntimeError as error:
                self._lose_gpu(error)
        found = index.search(vector[None, :], reach, params=parameters)
        return self._named(*found)

    def vectors(self) -> Vector:
        """Return a copy of the vectors, float32, shape (N, dimensions)."""
        index = self._index
        if self.kind is IndexKind.HNSW:
            index = faiss.downcast_index(index.storage)
        copied: Vector = index.reconstruct_n(0, len(self.ids))
        return copied

    def _named(
        self, similarity: NDArray[np.float32], place: Ids
    ) -> tuple[list[float], list[int]]:
        """Return what FAISS found as ids; it fills up with -1."""
        found = place[0] >= 0
        return similarity[0][found].tolist(), self.ids[place[0][found]].tolist()

    def _lose_gpu(self, error: RuntimeError) -> None:
        """Go on with the copy in memory, if that is allowed.

        Raises:
            Unavailable: It is not.
        """
        if not self._may_fall_back:
            raise Unavailable("FAISS cannot search on the GPU") from error
        _log.warning("FAISS lost the GPU and searches on the CPU", cause=str(error))
        self._on_gpu = None


@cache
def _gpu() -> Any:
    """Return the memory that all indexes on the GPU share."""
    return faiss.StandardGpuResources()


def _flat(vectors: Vector) -> Any:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


def _hnsw(vectors: Vector) -> Any:
    dimensions = vectors.shape[1]
    index = faiss.IndexHNSWFlat(dimensions, _NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = _BUILD_BREADTH
    index.add(vectors)
    return index


def _ivf(vectors: Vector) -> Any:
    count, dimensions = vectors.shape
    lists = min(count, round(4 * count**0.5))
    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(dimensions), dimensions, lists, faiss.METRIC_INNER_PRODUCT
    )
    # What a search on the GPU goes by.
    index.nprobe = -(-lists // _LISTS_PER_VISITED)
    index.cp.niter = 10
    index.cp.min_points_per_centroid = 1
    index.cp.max_points_per_centroid = _TRAINED_PER_LIST
    index.train(vectors)
    index.add(vectors)
    return index


_BUILDERS = {IndexKind.FLAT: _flat, IndexKind.HNSW: _hnsw, IndexKind.IVF: _ivf}
