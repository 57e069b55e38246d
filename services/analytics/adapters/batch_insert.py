"""Insert many rows with one statement, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed, Identifier


@dataclass(frozen=True, slots=True)
class BatchInsert:
    """One table's statement.

    Attributes:
        table: Name of the table.
        columns: Type of each column, by name. A type that ends in `[]` is not
            possible: arrays of arrays must be square.
        conflict: What follows ON CONFLICT; empty raises on one.
    """

    table: str
    columns: dict[str, str]
    conflict: str = ""

    async def run(
        self,
        connection: AsyncConnection[TupleRow],
        environment_id: str,
        rows: Sequence[tuple[Any, ...]],
    ) -> None:
        """Insert rows, whose values have the order of the columns."""
        if rows:
            values = [list(column) for column in zip(*rows, strict=True)]
            await connection.execute(self._statement(), [environment_id, *values])

    def _statement(self) -> Composed:
        names = [Identifier(name) for name in self.columns]
        arrays = [SQL("%s::{}[]").format(SQL(kind)) for kind in self.columns.values()]
        return SQL(
            "INSERT INTO {} (environment_id, {}) SELECT %s, * FROM unnest({}){}"
        ).format(
            Identifier(self.table),
            SQL(", ").join(names),
            SQL(", ").join(arrays),
            SQL(f" ON CONFLICT {self.conflict}" if self.conflict else ""),
        )
