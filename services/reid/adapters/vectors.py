"""Appearance vectors in PostgreSQL, exact to the bit."""

from collections.abc import Sequence

import numpy as np

from services.reid.domain.values import Vector


def vector_to_sql(vector: Vector) -> str:
    """Return the text form of pgvector, to be cast with `::vector`."""
    return "[" + ",".join(map(repr, vector.tolist())) + "]"


def vector_from_sql(values: Sequence[float]) -> Vector:
    """Return the vector read as `vector::real[]`."""
    return np.array(values, np.float32)
