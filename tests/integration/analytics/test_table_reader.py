"""Columns read as arrays."""

import numpy as np
import pytest

from services.analytics.adapters.table_reader import read_columns
from services.common.postgres import Pool


async def test_columns_come_as_arrays(pool: Pool) -> None:
    """In the order of the rows, with exact values, and empty without rows."""
    query = """
        SELECT n, timestamptz '1970-01-01 00:00:00.000001+00' + n * interval '1 s',
            n / 8.0::real
        FROM generate_series(1, %(last)s) AS n ORDER BY n DESC
    """
    kinds = {"number": "integer", "time_us": "time", "share": "real"}
    async with pool.connection() as connection:
        found = await read_columns(connection, query, {"last": 3}, **kinds)
        nothing = await read_columns(connection, query, {"last": 0}, **kinds)
    assert found["number"].tolist() == [3, 2, 1]
    assert found["time_us"].tolist() == [3_000_001, 2_000_001, 1_000_001]
    assert found["share"].tolist() == [0.375, 0.25, 0.125]
    for name, values in nothing.items():
        assert len(values) == 0
        assert values.dtype == found[name].dtype
    assert found["share"].dtype == np.float32


async def test_a_null_is_refused(pool: Pool) -> None:
    """It would shift every value behind it."""
    query = "SELECT CASE WHEN n <> 2 THEN n END FROM generate_series(1, 3) AS n"
    async with pool.connection() as connection:
        with pytest.raises(ValueError, match="NULL"):
            await read_columns(connection, query, {}, number="integer")
