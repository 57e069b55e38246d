"""Appearance vectors in PostgreSQL, exact to the bit."""

import numpy as np

from services.reid.domain.values import Vector

_HEADER_BYTES = 4


def vector_to_sql(vector: Vector) -> str:
    """Return the text form of pgvector, to be cast with `::vector`."""
    return "[" + ",".join(map(repr, vector.tolist())) + "]"


def vector_from_sql(sent: bytes) -> Vector:
    """Return a vector from the binary form of pgvector.

    Two lengths of two bytes come first, then the numbers, all big-endian.
    """
    return np.frombuffer(sent, ">f4", offset=_HEADER_BYTES).astype(np.float32)
