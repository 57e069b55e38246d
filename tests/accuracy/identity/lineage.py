"""Who everybody turned out to be: ids after all merges and splits.

The same rules as in the history that analytics keeps. A merge joins two identities. A
track that has another identity than before takes its earlier boxes along, unless the
new identity was in the same camera at the time, as another track. A split that names
an identity merged into the first undoes the merge. A camera shows nobody twice: where
a merge joined two whom a camera saw at once, the later of the two stays apart there.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from services.common.ids import CameraId
from tests.accuracy.identity.published import Box, Change, ChangeKind, Published

_TrackKey = tuple[CameraId, int]


def final_ids(published: Published) -> Sequence[int]:
    """Return the final identity of each box, in their order; 0 stays 0."""
    return _told(published).final()


def final_identities(published: Published) -> Mapping[int, int]:
    """Return who each identity that was published turned out to be."""
    history = _told(published)
    every = {box.global_id for box in published.boxes} - {0}
    every |= {person.global_id for person in published.persons}
    return {one: history.root(one) for one in every}


def _told(published: Published) -> "_History":
    """Return the history after everything that was published."""
    history = _History(published.boxes)
    changes = defaultdict(list)
    for change in published.changes:
        changes[change.frame_set].append(change)
    position = 0
    for frame_set, boxes in groupby(published.boxes, attrgetter("frame_set")):
        group = list(boxes)
        history.take(range(position, position + len(group)))
        position += len(group)
        for change in changes.pop(frame_set, ()):
            history.apply(change)
    # Events of frame sets in which nobody was seen.
    for _, rest in sorted(changes.items()):
        for change in rest:
            history.apply(change)
    return history


class _History:
    """Identities of boxes, as they are known at a moment."""

    def __init__(self, boxes: Sequence[Box]) -> None:
        self._boxes = boxes
        self._ids = [box.global_id for box in boxes]
        self._merged_into: dict[int, int] = {}
        self._of_track: dict[_TrackKey, list[int]] = defaultdict(list)
        self._spans: dict[tuple[CameraId, int], dict[int, list[int]]] = defaultdict(
            dict
        )

    def take(self, indices: Iterable[int]) -> None:
        """Take in the boxes of one frame set."""
        for index in indices:
            box = self._boxes[index]
            key = box.camera_id, box.track_id
            own = self._of_track[key]
            before = next((self._ids[i] for i in reversed(own) if self._ids[i]), 0)
            own.append(index)
            if box.global_id and before and before != box.global_id:
                self._move(own, before, box.global_id)
            if box.global_id:
                self._seen(box, box.global_id)

    def apply(self, change: Change) -> None:
        """Carry out a merge or a split."""
        one, other = change.global_id, change.other_global_id
        if change.kind is ChangeKind.MERGED:
            survivor, former = self.root(one), self.root(other)
            if survivor != former:
                self._merged_into[former] = one
        elif change.kind is ChangeKind.SPLIT and self.root(one) == self.root(other):
            if other in self._merged_into:
                del self._merged_into[other]
            else:
                self._merged_into.pop(one, None)

    def final(self) -> Sequence[int]:
        """Return the identity of each box that survived all merges."""
        found = [self.root(one) if one else 0 for one in self._ids]
        frames: dict[tuple[CameraId, int], list[int]] = defaultdict(list)
        for index, box in enumerate(self._boxes):
            frames[box.camera_id, box.frame].append(index)
        for indices in frames.values():
            if len({found[index] for index in indices}) < len(indices):
                self._part(found, indices)
        return found

    def _part(self, found: list[int], indices: Sequence[int]) -> None:
        """Leave the boxes of one frame different persons.

        Who was published as the person goes first, then the older identity. Whoever
        has to stay apart keeps the identity that was published, or none.
        """

        def rank(index: int) -> tuple[bool, int]:
            published = self._boxes[index].global_id
            return found[index] != published, published

        taken: set[int] = set()
        for index in sorted(indices, key=rank):
            published = self._boxes[index].global_id
            free = [one for one in (found[index], published) if one not in taken]
            found[index] = free[0] if free else 0
            taken |= {found[index]} - {0}

    def root(self, global_id: int) -> int:
        """Return the identity that an identity went on as."""
        while global_id in self._merged_into:
            global_id = self._merged_into[global_id]
        return global_id

    def _seen(self, box: Box, global_id: int) -> None:
        """Note from when to when a track was of an identity."""
        spans = self._spans[box.camera_id, global_id]
        span = spans.setdefault(box.track_id, [box.time_ns, box.time_ns])
        span[0], span[1] = min(span[0], box.time_ns), max(span[1], box.time_ns)

    def _move(self, own: Sequence[int], before: int, after: int) -> None:
        """Give the boxes of a track to another identity, if that is possible."""
        moved = [index for index in own if self._ids[index] == before]
        if not moved or self.root(before) == self.root(after):
            return
        first, last = self._boxes[moved[0]], self._boxes[moved[-1]]
        others = self._spans[first.camera_id, after]
        if any(
            start < last.time_ns and end > first.time_ns
            for track_id, (start, end) in others.items()
            if track_id != first.track_id
        ):
            return
        for index in moved:
            self._ids[index] = after
            self._seen(self._boxes[index], after)
        self._spans[first.camera_id, before].pop(first.track_id, None)
