"""What a measurement hands to the report."""

from collections.abc import Sequence
from dataclasses import dataclass

Cell = str | float | int


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that one command measured.

    Attributes:
        name: Key in the JSON, such as `detectors`.
        title: Heading for people.
        columns: Names of the columns, units included.
        rows: One cell for each column.
        notes: Sentences that say on what it was measured, and what was left out.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
