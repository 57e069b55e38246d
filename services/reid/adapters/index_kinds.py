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

# Measured, see the README: below it, comparing with everybody takes a few
# milliseconds; above it, nothing else is built as fast, as small and as exact as PQ.
APPROXIMATE_FROM = 20_000

MOST_APPROXIMATE = 2_000
"""Results beyond which a search is exact; GPUs answer no more than 2,048."""

_NEIGHBOURS = 16
_BUILD_BREADTH = 80
_LEAST_BREADTH = 160
_LISTS_PER_VISITED = 4
_TRAINED_PER_LIST = 64
# A code of 4 bits for so many numbers, fewer where vectors are short.
_NUMBERS_PER_CODE, _SHORT, _NUMBERS_PER_CODE_IF_SHORT = 4, 512, 2
_CODE_BITS = 4
_TRAINED_FOR_CODES = 32_000
# The nearest by their codes are compared again, so many at least.
_LEAST_COMPARED_AGAIN = 1_000

_log = structlog.get_logger(__name__)


class IndexKind(StrEnum):
    """How an index finds the nearest vectors.

    Attributes:
        FLAT: Compares with every vector; exact.
        HNSW: Walks a graph of neighbours (Malkov and Yashunin, 2018).
        IVF: Compares with the vectors of the nearest clusters.
        PQ: Compares with short codes of all vectors, a register of them at a time
            (Andre, Kermarrec and Le Scouarnec, 2017), and then with the nearest
            vectors themselves, which are kept as 16-bit numbers.
    """

    FLAT = "flat"
    HNSW = "hnsw"
    IVF = "ivf"
    PQ = "pq"


@dataclass(frozen=True, slots=True)
class IndexChoice:
    """How indexes are built.

    Attributes:
        kind: The kind, whatever the size; None chooses by size.
        on_gpu: Whether flat and IVF indexes are kept on the first GPU. The others
            are searched by the CPU.
        may_fall_back: Whether the CPU stands in for a GPU that fails.
    """

    kind: IndexKind | None = None
    on_gpu: bool = False
    may_fall_back: bool = False

    def kind_for(self, count: int) -> IndexKind:
        """Return the kind for a number of vectors."""
        if self.kind is not None:
            return self.kind
        if count < APPROXIMATE_FROM:
            return IndexKind.FLAT
        return IndexKind.IVF if self.on_gpu else IndexKind.PQ


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
        # Zeros at the end change no product.
        whole = _NUMBERS_PER_CODE if self.kind is IndexKind.PQ else 1
        self._added = -vectors.shape[1] % whole
        if self._added:
            vectors = np.pad(vectors, ((0, 0), (0, self._added)))
        self._may_fall_back = choice.may_fall_back
        self._index = _BUILDERS[self.kind](vectors)
        self._on_gpu: Any = None
        if choice.on_gpu and self.kind in (IndexKind.FLAT, IndexKind.IVF):
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
        query = np.pad(vector[None, :], ((0, 0), (0, self._added)))
        parameters: Any = None
        exact = reach > MOST_APPROXIMATE
        if self.kind in (IndexKind.HNSW, IndexKind.PQ) and exact:
            index = self._kept()
        elif self.kind is IndexKind.HNSW:
            breadth = max(_LEAST_BREADTH, reach)
            # Its stubs lack the class.
            parameters = faiss.SearchParametersHNSW()  # type: ignore[attr-defined]
            parameters.efSearch = breadth
        elif self.kind is IndexKind.PQ:
            parameters = faiss.IndexRefineSearchParameters()
            parameters.k_factor = max(2.0, _LEAST_COMPARED_AGAIN / reach)
        elif self.kind is IndexKind.IVF:
            visited = index.nlist if exact else -(-index.nlist // _LISTS_PER_VISITED)
            parameters = faiss.SearchParametersIVF()
            parameters.nprobe = visited
        if self._on_gpu is not None and not exact:
            try:
                return self._named(*self._on_gpu.search(query, reach))
            except RuntimeError as error:
                self._lose_gpu(error)
        found = index.search(query, reach, params=parameters)
        return self._named(*found)

    def vectors(self) -> Vector:
        """Return a copy of the vectors, float32, shape (N, dimensions)."""
        copied: Vector = self._kept().reconstruct_n(0, len(self.ids))
        return copied[:, : copied.shape[1] - self._added]

    def _kept(self) -> Any:
        """Return the index that holds the vectors themselves."""
        if self.kind is IndexKind.HNSW:
            return faiss.downcast_index(self._index.storage)
        if self.kind is IndexKind.PQ:
            return faiss.downcast_index(self._index.refine_index)
        return self._index

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


def _pq(vectors: Vector) -> Any:
    count, dimensions = vectors.shape
    metric = faiss.METRIC_INNER_PRODUCT
    each = _NUMBERS_PER_CODE
    if dimensions < _SHORT:
        each = _NUMBERS_PER_CODE_IF_SHORT
    codes = faiss.IndexPQFastScan(dimensions, dimensions // each, _CODE_BITS, metric)
    codes.pq.cp.niter = 10
    codes.pq.cp.min_points_per_centroid = 1
    # Evenly spaced, because neighbours are looks of one person.
    step = max(1, count // _TRAINED_FOR_CODES)
    codes.train(np.ascontiguousarray(vectors[::step]))
    codes.add(vectors)
    kept = faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_fp16, metric)
    kept.train(vectors[:1])
    kept.add(vectors)
    # It keeps both alive.
    return faiss.IndexRefine(codes, kept)


_BUILDERS = {
    IndexKind.FLAT: _flat,
    IndexKind.HNSW: _hnsw,
    IndexKind.IVF: _ivf,
    IndexKind.PQ: _pq,
}
