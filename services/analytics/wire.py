"""Read many encoded protobuf messages of one kind at once, column by column.

A library decodes one message after the other, and each field costs a call; a batch
holds a hundred thousand of them. Here all messages of a kind take a step together:
each step reads one field of every message that has another one.

The rules are those of the encoding (protobuf.dev, "Encoding"): fields in any order,
unknown ones skipped, of a scalar that is there twice the last one counts. A message
that is there twice is not merged, the last one counts; no library writes that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

_VARINT, _FIXED_64, _LENGTH, _FIXED_32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_UNKNOWN = 63
"""Stands for all field numbers from here on, of which none is read."""
_WORD, _MOST_WORDS = 8, 32
_FACTORS = np.random.default_rng(1).integers(
    2**63, size=_MOST_WORDS, dtype=np.uint64
) | np.uint64(1)


class Kind(Enum):
    """How a field is encoded, and what is read of it."""

    VARINT = _VARINT
    DOUBLE = _FIXED_64
    SPAN = _LENGTH
    """A message or a text; its place is read."""
    EACH = -_LENGTH
    """A repeated message; every place is read."""
    ALL = -2 * _LENGTH
    """A repeated text; the place of all of them together is read, tags included."""
    FLOAT = _FIXED_32
    OPTIONAL_FLOAT = -_FIXED_32

    @property
    def wire(self) -> int:
        """Wire type."""
        if self is Kind.OPTIONAL_FLOAT:
            return _FIXED_32
        return _LENGTH if self in (Kind.EACH, Kind.ALL) else self.value


@dataclass(slots=True)
class Spans:
    """Where messages or texts lie; `start` is -1 for an absent one.

    Attributes:
        start: int64, shape (N,), first byte.
        end: int64, shape (N,), byte after the last.
    """

    start: IntArray
    end: IntArray

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which are there."""
        return self.start >= 0


@dataclass(slots=True)
class Each:
    """All messages of a repeated field, those of one owner together and in order.

    Attributes:
        owner: int64, shape (M,), index of the message that each is in; ascending.
        spans: Where they lie.
    """

    owner: IntArray
    spans: Spans


@dataclass(slots=True)
class Table:
    """Messages of one kind, by field number.

    Attributes:
        numbers: int64, float64 or float32, shape (N,); 0 where absent, NaN
            where an optional one is.
        spans: Texts and messages.
        each: Repeated messages.
    """

    numbers: dict[int, NDArray[Any]] = field(default_factory=dict)
    spans: dict[int, Spans] = field(default_factory=dict)
    each: dict[int, Each] = field(default_factory=dict)


class Wire:
    """Encoded bytes, and where in them messages lie.

    >>> wire = Wire(bytes([8, 150, 1, 18, 1, 97]))
    >>> table = wire.read(wire.whole(), {1: Kind.VARINT, 2: Kind.SPAN})
    >>> int(table.numbers[1][0]), wire.distinct(table.spans[2])[0]
    (150, [b'a'])
    """

    def __init__(self, encoded: bytes) -> None:
        self.encoded = encoded
        # Numbers near the end are read in full width, too.
        self._bytes = np.frombuffer(encoded + bytes(16), np.uint8)

    def whole(self) -> Spans:
        """Return everything as one message."""
        return Spans(np.zeros(1, np.int64), np.full(1, len(self.encoded), np.int64))

    def distinct(self, spans: Spans) -> tuple[list[bytes], IntArray]:
        """Return the different texts of spans, and which one each has.

        An absent one is like an empty one.
        """
        sizes = np.where(spans.start < 0, 0, spans.end - spans.start)
        words = -(-int(sizes.max(initial=0)) // _WORD)
        if not words or words > _MOST_WORDS:
            return self._distinct_one_by_one(spans)
        places = np.arange(words * _WORD)
        picked = self._bytes[
            np.minimum(spans.start[:, None] + places, len(self.encoded))
        ]
        picked *= places < sizes[:, None]
        numbers = picked.view("<u8")
        hashes = (numbers * _FACTORS[:words]).sum(axis=1, dtype=np.uint64)
        hashes += sizes.astype(np.uint64)
        _, first, which = np.unique(hashes, return_index=True, return_inverse=True)
        same = np.all(numbers == numbers[first][which], axis=1)
        if not np.all(same & (sizes == sizes[first][which])):
            return self._distinct_one_by_one(spans)
        return [self._part(spans, row) for row in first.tolist()], which

    def _distinct_one_by_one(self, spans: Spans) -> tuple[list[bytes], IntArray]:
        known: dict[bytes, int] = {}
        which = [
            known.setdefault(self._part(spans, row), len(known))
            for row in range(len(spans.start))
        ]
        return list(known), np.array(which, np.int64)

    def _part(self, spans: Spans, row: int) -> bytes:
        start = int(spans.start[row])
        return b"" if start < 0 else self.encoded[start : int(spans.end[row])]

    def read(self, messages: Spans, fields: Mapping[int, Kind]) -> Table:
        """Return fields of messages; an absent message has none.

        Args:
            messages: Where the messages lie.
            fields: What to read, by field number.

        Raises:
            ValueError: A message is damaged.
        """
        count = len(messages.start)
        table = _empty_table(count, fields)
        repeated: dict[int, list[tuple[IntArray, IntArray, IntArray]]] = {
            number: [] for number, kind in fields.items() if kind is Kind.EACH
        }
        rows: IntArray = np.flatnonzero(messages.start < messages.end)
        cursor, ends = messages.start[rows], messages.end[rows]
        while len(rows):
            begin = cursor
            tag, cursor = self._varints(cursor)
            number, wire = tag >> 3, tag & 7
            value, cursor = self._values(wire, cursor)
            if np.any(cursor > ends) or np.any(number < 1):
                raise ValueError("a message is damaged")
            met = np.bincount(np.minimum(number, _UNKNOWN), minlength=_UNKNOWN + 1)
            for wanted, kind in fields.items():
                if not met[wanted]:
                    continue
                is_wanted = (number == wanted) & (wire == kind.wire)
                here = slice(None) if is_wanted.all() else np.flatnonzero(is_wanted)
                where, at = rows[here], value[here]
                match kind:
                    case Kind.VARINT:
                        table.numbers[wanted][where] = at
                    case Kind.DOUBLE:
                        table.numbers[wanted][where] = self._floats(at, 8)
                    case Kind.FLOAT | Kind.OPTIONAL_FLOAT:
                        table.numbers[wanted][where] = self._floats(at, 4)
                    case Kind.SPAN:
                        table.spans[wanted].start[where] = at
                        table.spans[wanted].end[where] = cursor[here]
                    case Kind.ALL:
                        spans = table.spans[wanted]
                        first = spans.start[where] < 0
                        spans.start[where[first]] = begin[here][first]
                        spans.end[where] = cursor[here]
                    case Kind.EACH:
                        repeated[wanted].append((where, at, cursor[here]))
            more = cursor < ends
            if not more.all():
                rows, cursor, ends = rows[more], cursor[more], ends[more]
        for wanted, parts in repeated.items():
            table.each[wanted] = _in_order(parts)
        return table

    def _values(self, wire: IntArray, at: IntArray) -> tuple[IntArray, IntArray]:
        """Return values of varints, places of others, and where each field ends."""
        kinds = np.flatnonzero(np.bincount(wire)).tolist()
        if len(kinds) == 1:
            return self._values_alike(kinds[0], at)
        value, after = np.empty_like(at), np.empty_like(at)
        for kind in kinds:
            rows = np.flatnonzero(wire == kind)
            value[rows], after[rows] = self._values_alike(kind, at[rows])
        return value, after

    def _values_alike(self, wire: int, at: IntArray) -> tuple[IntArray, IntArray]:
        """Return the same for fields of one wire type."""
        match wire:
            case 0:
                return self._varints(at)
            case 1:
                return at, at + 8
            case 2:
                size, begin = self._varints(at)
                if np.any(size < 0) or np.any(size > len(self.encoded)):
                    raise ValueError("a message is damaged")
                return begin, begin + size
            case 5:
                return at, at + 4
        raise ValueError("a message is damaged")

    def _varints(self, at: IntArray) -> tuple[IntArray, IntArray]:
        """Return numbers of variable length, and where each ends."""
        if np.any(at >= len(self.encoded)):
            raise ValueError("a message is damaged")
        byte = self._bytes[at].astype(np.int64)
        value, after = byte & 0x7F, at + 1
        long = np.flatnonzero(byte & 0x80)
        if len(long):
            value[long], after[long] = self._long_varints(at[long])
        return value, after

    def _long_varints(self, at: IntArray) -> tuple[IntArray, IntArray]:
        picked = self._bytes[at[:, None] + np.arange(_LONGEST_VARINT)]
        goes_on = picked >= 0x80
        size = np.argmin(goes_on, axis=1) + 1
        if np.any(goes_on[:, -1] & (size == 1)):
            raise ValueError("a message is damaged")
        value = np.zeros(len(at), np.int64)
        for index in range(int(size.max())):
            # Of the tenth byte one bit counts, the sign.
            part = (picked[:, index] & 0x7F).astype(np.int64) << (7 * index)
            part[size <= index] = 0
            value |= part
        return value, at + size

    def _floats(self, at: IntArray, size: int) -> NDArray[Any]:
        picked = self._bytes[at[:, None] + np.arange(size)]
        numbers: NDArray[Any] = picked.view(f"<f{size}")[:, 0]
        return numbers


def _empty_table(count: int, fields: Mapping[int, Kind]) -> Table:
    table = Table()
    for number, kind in fields.items():
        match kind:
            case Kind.VARINT:
                table.numbers[number] = np.zeros(count, np.int64)
            case Kind.DOUBLE:
                table.numbers[number] = np.zeros(count)
            case Kind.FLOAT:
                table.numbers[number] = np.zeros(count, np.float32)
            case Kind.OPTIONAL_FLOAT:
                table.numbers[number] = np.full(count, np.nan, np.float32)
            case Kind.SPAN | Kind.ALL:
                table.spans[number] = Spans(
                    np.full(count, -1, np.int64), np.full(count, -1, np.int64)
                )
            case Kind.EACH:
                pass
    return table


def _in_order(parts: list[tuple[IntArray, IntArray, IntArray]]) -> Each:
    if not parts:
        nothing = np.zeros(0, np.int64)
        return Each(nothing, Spans(nothing, nothing))
    owner, start, end = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((start, owner))
    return Each(owner[order], Spans(start[order], end[order]))
