"""Arrays of numbers as parameters of statements, encoded all at once."""

from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.adapt import Dumper
from psycopg.pq import Format

_BIGINT_OID, _BIGINT_ARRAY_OID = 20, 1016
_ELEMENT = np.dtype([("length", ">i4"), ("value", ">i8")])


@dataclass(frozen=True, slots=True)
class BigInts:
    """A parameter of type bigint[]; `values` are int64, shape (N,)."""

    values: NDArray[np.int64]


class _BigIntsDumper(Dumper):
    """Encodes as PostgreSQL's array_recv reads it."""

    format = Format.BINARY
    oid = _BIGINT_ARRAY_OID

    def dump(self, obj: BigInts) -> bytes:
        """Return dimensions, no NULLs, type, length, first index, then the elements."""
        count = len(obj.values)
        head = np.array([1, 0, _BIGINT_OID, count, 1], ">i4").tobytes()
        elements = np.empty(count, _ELEMENT)
        elements["length"], elements["value"] = 8, obj.values
        return head + elements.tobytes()


psycopg.adapters.register_dumper(BigInts, _BigIntsDumper)
