"""The prototypes of one environment and model, in memory.

Most of many lie in an index that never changes. Those that changed since it was built
lie in a small exact one beside it, and what the large one says about them is ignored.
When they are too many, the large one is built anew while the old one still answers.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from services.common.errors import Unavailable
from services.common.ids import GlobalId
from services.reid.adapters.index_kinds import BuiltIndex, Ids, IndexChoice, IndexKind
from services.reid.domain.values import Vector

# Changes after which building pays: an exact search in them stays short.
_LEAST_CHANGES, _CHANGED_SHARE = 2_000, 0.1

Found = list[tuple[GlobalId, float]]


@dataclass(frozen=True, slots=True)
class ChangedPrototype:
    """A prototype as a change left it.

    Attributes:
        prototype_id: The prototype.
        global_id: Its person.
        vector: Unit length; None once it is forgotten.
    """

    prototype_id: int
    global_id: GlobalId
    vector: Vector | None


@dataclass(frozen=True, slots=True)
class _Owners:
    """Whose the prototypes of a large index are; a dictionary takes ten times as much.

    Attributes:
        ids: int64, ascending.
        persons: int64, the person of each.
    """

    ids: Ids
    persons: Ids

    @classmethod
    def sorted(cls, ids: Ids, persons: Ids) -> "_Owners":
        """Return the owners of prototypes in any order."""
        order = np.argsort(ids)
        return cls(ids[order], persons[order])

    def of(self, ids: Ids | list[int]) -> Ids:
        """Return the persons of known prototypes, int64."""
        found: Ids = self.persons[np.searchsorted(self.ids, ids)]
        return found


class IndexShard:
    """Finds the nearest prototypes; for several threads.

    Args:
        dimensions: Length of a vector.
        choice: How the large index is built.
    """

    def __init__(self, dimensions: int, choice: IndexChoice) -> None:
        self._choice = choice
        self._built: BuiltIndex | None = None
        self._owners = _Owners(np.zeros(0, np.int64), np.zeros(0, np.int64))
        # Of the prototypes beside the large index.
        self._persons: dict[int, GlobalId] = {}
        self._recent: Any = faiss.IndexIDMap(faiss.IndexFlatIP(dimensions))
        # Prototypes of which the large index knows nothing, or nothing right.
        self._changed: set[int] = set()
        self._changed_while_building: set[int] | None = None
        self._failure: Unavailable | None = None
        self._lock = threading.Lock()

    @property
    def kind(self) -> IndexKind:
        """Kind of the large index; flat while there is none."""
        return self._built.kind if self._built else IndexKind.FLAT

    def replace(self, changes: Sequence[ChangedPrototype]) -> None:
        """Take new, changed and forgotten prototypes."""
        ids = {one.prototype_id for one in changes}
        kept = {
            one.prototype_id: one.vector for one in changes if one.vector is not None
        }
        with self._lock:
            if self._built is not None:
                self._changed |= ids
            if self._changed_while_building is not None:
                self._changed_while_building |= ids
            known = ids & self._persons.keys()
            if known:
                self._recent.remove_ids(np.array(list(known), np.int64))
            for prototype_id in known:
                del self._persons[prototype_id]
            if kept:
                names = np.array(list(kept), np.int64)
                self._recent.add_with_ids(np.stack(list(kept.values())), names)
            self._persons |= {
                one.prototype_id: one.global_id
                for one in changes
                if one.vector is not None
            }

    def nearest(self, vector: Vector, limit: int) -> Found:
        """Return at most `limit` persons, best first; fewer if there are no more.

        Raises:
            Unavailable: The GPU failed now or before, and nothing may stand in.
        """
        if self._failure is not None:
            raise self._failure
        _stay_in_this_thread()
        reach = 4 * limit
        while True:
            with self._lock:
                found, is_all = self._search(vector, reach)
            if is_all or len(found) >= limit:
                return found[:limit]
            reach *= 4

    def _search(self, vector: Vector, reach: int) -> tuple[Found, bool]:
        """Return persons, best first, and whether there are no others."""
        near: list[tuple[float, int]] = []
        # Below it, one of the indexes may have more that is as similar.
        known_from = -np.inf
        if count := self._recent.ntotal:
            similarities, ids = self._recent.search(vector[None, :], min(reach, count))
            near += [
                (similarity, self._persons[prototype_id])
                for similarity, prototype_id in zip(
                    similarities[0].tolist(), ids[0].tolist(), strict=True
                )
            ]
            known_from = near[-1][0] if reach < count else known_from
        if self._built is not None:
            count = len(self._built.ids)
            values, names = self._built.search(vector, min(reach, count))
            owners = self._owners.of(names)
            near += [
                (similarity, owner)
                for similarity, name, owner in zip(
                    values, names, owners.tolist(), strict=True
                )
                if name not in self._changed
            ]
            if reach < count:
                known_from = max(known_from, values[-1])
        persons: dict[GlobalId, float] = {}
        for similarity, global_id in sorted(near, reverse=True):
            if similarity >= known_from:
                persons.setdefault(GlobalId(global_id), similarity)
        return list(persons.items()), known_from == -np.inf

    @property
    def count(self) -> int:
        """Prototypes in it; those that changed since the last building count twice."""
        return len(self._persons) + (len(self._built.ids) if self._built else 0)

    def wants_building(self) -> bool:
        """Return whether `build` would make searches faster."""
        count = self.count
        if self._failure is not None:
            return False
        if self._built is not None:
            return len(self._changed) > max(_LEAST_CHANGES, _CHANGED_SHARE * count)
        # What lies beside the large index is a flat one in memory already.
        as_good = self._choice.kind_for(count) is IndexKind.FLAT
        return count > _LEAST_CHANGES and (self._choice.on_gpu or not as_good)

    def build(self) -> None:
        """Build the large index anew; searches and changes go on meanwhile.

        One thread at a time.

        Raises:
            Unavailable: The GPU cannot take it, and nothing may stand in.
        """
        _stay_in_this_thread()
        with self._lock:
            old, changed = self._built, self._changed.copy()
            ids, vectors = _content(self._recent)
            owners = np.array([self._persons[one] for one in ids.tolist()], np.int64)
            self._changed_while_building = set()
        if old is not None:
            stays = ~np.isin(old.ids, np.array(list(changed), np.int64))
            owners = np.concatenate([self._owners.of(old.ids[stays]), owners])
            ids = np.concatenate([old.ids[stays], ids])
            vectors = np.concatenate([old.vectors()[stays], vectors])
        if not len(ids):
            return
        try:
            built = BuiltIndex(self._choice, ids, vectors)
        except Unavailable as error:
            self._failure = error
            raise
        with self._lock:
            self._built, self._changed = built, self._changed_while_building
            self._owners = _Owners.sorted(ids, owners)
            self._changed_while_building = None
            self._recent = _only(self._recent, self._changed)
            self._persons = {
                one: self._persons[one]
                for one in faiss.vector_to_array(self._recent.id_map).tolist()
            }


def _stay_in_this_thread() -> None:
    """Keep FAISS from taking other cores: we bring our own threads.

    The number is one of the calling thread, whichever of a pool that is.
    """
    faiss.omp_set_num_threads(1)


def _content(index: Any) -> tuple[Ids, Vector]:
    """Return copies of the ids and vectors of an index of changes."""
    ids: Ids = faiss.vector_to_array(index.id_map)
    vectors: Vector = index.index.reconstruct_n(0, index.ntotal)
    return ids, vectors


def _only(index: Any, wanted: set[int]) -> Any:
    """Return an index of changes with those of `wanted` alone."""
    ids, vectors = _content(index)
    stays = np.isin(ids, np.array(list(wanted), np.int64))
    left = faiss.IndexIDMap(faiss.IndexFlatIP(index.d))
    if stays.any():
        left.add_with_ids(vectors[stays], ids[stays])
    return left
