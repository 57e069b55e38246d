"""Rows of PostgreSQL as arrays: each column comes as one array of the database's own.

A hundred thousand rows take milliseconds, because no value becomes a Python object.
"""

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier

_FIRST_US = 946_684_800_000_000
"""Start of PostgreSQL's time, 2000-01-01, microseconds since 1970."""

_HEADER_BYTES = 4 * 5
"""Of a one-dimensional array: dimensions, NULLs, element type, length, first index."""

_TYPES = {"integer": "int8", "time": "timestamptz", "real": "float4"}
_EMPTY = {"integer": np.int64, "time": np.int64, "real": np.float32}

Columns = dict[str, NDArray[Any]]


async def read_columns(
    connection: AsyncConnection[TupleRow],
    query: str,
    parameters: Mapping[str, Any],
    **kinds: str,
) -> Columns:
    """Return the rows of a query, column by column.

    Args:
        connection: Where to ask.
        query: A SELECT whose columns are never NULL.
        parameters: Of the query.
        **kinds: Kind of each column, in order: "integer" (a bigint), "time" (a
            timestamptz) or "real".

    Returns:
        int64, shape (N,), for integers and for times in microseconds since 1970;
        float32 for reals.
    """
    names = SQL(", ").join(map(Identifier, kinds))
    arrays = SQL(", ").join(
        SQL("array_agg({}::{})").format(Identifier(name), SQL(_TYPES[kind]))
        for name, kind in kinds.items()
    )
    statement = SQL("SELECT {} FROM ({}) AS found ({})").format(
        arrays, SQL(query), names
    )
    cursor = connection.cursor(binary=True)
    for loader in (_IntegerLoader, _TimeLoader, _RealLoader):
        element = cursor.adapters.types[loader.element]
        cursor.adapters.register_loader(element.array_oid, loader)
    # Never prepared: the best plan depends on the range.
    await cursor.execute(statement, parameters, prepare=False)
    row = await cursor.fetchone() or ()
    return {
        name: np.zeros(0, _EMPTY[kind]) if values is None else values
        for (name, kind), values in zip(kinds.items(), row, strict=True)
    }


class _IntegerLoader(Loader):
    """Reads int8[]."""

    format = Format.BINARY
    element = "int8"

    def load(self, data: Buffer) -> NDArray[np.int64]:
        """Return the elements."""
        return _elements(data, ">i8").astype(np.int64)


class _TimeLoader(Loader):
    """Reads timestamptz[]."""

    format = Format.BINARY
    element = "timestamptz"

    def load(self, data: Buffer) -> NDArray[np.int64]:
        """Return the elements, microseconds since 1970."""
        return _elements(data, ">i8").astype(np.int64) + _FIRST_US


class _RealLoader(Loader):
    """Reads float4[]."""

    format = Format.BINARY
    element = "float4"

    def load(self, data: Buffer) -> NDArray[np.float32]:
        """Return the elements."""
        return _elements(data, ">f4").astype(np.float32)


def _elements(data: Buffer, kind: str) -> NDArray[Any]:
    """Return what is in an array without NULLs.

    Raises:
        ValueError: It holds a NULL, which has no bytes.
    """
    _, nulls, *_ = struct.unpack_from(">5i", data)
    if nulls:
        raise ValueError("a column that is read as an array holds a NULL")
    elements = np.dtype([("length", ">i4"), ("value", kind)])
    return np.frombuffer(data, elements, offset=_HEADER_BYTES)["value"]
