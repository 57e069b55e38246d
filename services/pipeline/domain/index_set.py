"""A set of frame indices that costs as little as it has holes."""

from bisect import bisect_right
from collections.abc import Iterable

from services.pipeline.domain.progress import FrameRange


class IndexSet:
    """Indices, kept as ascending ranges that do not touch.

    >>> seen = IndexSet()
    >>> [seen.add(index) for index in (0, 1, 1, 5)]
    [True, True, False, True]
    >>> seen.holes()
    (FrameRange(first=2, end=5),)
    """

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        """Begin with ascending ranges, each from its first index to before its last."""
        self._ranges = [(first, end) for first, end in ranges]

    def __contains__(self, index: int) -> bool:
        at = self._range_before(index)
        return at >= 0 and index < self._ranges[at][1]

    def add(self, index: int) -> bool:
        """Add an index; return whether it is new."""
        at = self._range_before(index)
        if at >= 0 and index < self._ranges[at][1]:
            return False
        first, end = index, index + 1
        if at + 1 < len(self._ranges) and self._ranges[at + 1][0] == end:
            end = self._ranges.pop(at + 1)[1]
        if at >= 0 and self._ranges[at][1] == first:
            first = self._ranges[at][0]
            self._ranges[at] = first, end
        else:
            self._ranges.insert(at + 1, (first, end))
        return True

    def remove(self, index: int) -> None:
        """Remove an index that is in the set."""
        at = self._range_before(index)
        first, end = self._ranges[at]
        parts = [(first, index), (index + 1, end)]
        self._ranges[at : at + 1] = [part for part in parts if part[0] < part[1]]

    def holes(self, below: int = 0) -> tuple[FrameRange, ...]:
        """Return what is missing, from 0 up to `below` or the largest index."""
        ends = [0, *(end for _, end in self._ranges)]
        firsts = [*(first for first, _ in self._ranges), below]
        return tuple(
            FrameRange(end, first)
            for end, first in zip(ends, firsts, strict=True)
            if end < first
        )

    def ranges(self) -> list[tuple[int, int]]:
        """Return the ranges, ready to begin another set with."""
        return list(self._ranges)

    def _range_before(self, index: int) -> int:
        """Return the place of the last range that begins at or before an index."""
        return bisect_right(self._ranges, index, key=lambda part: part[0]) - 1
