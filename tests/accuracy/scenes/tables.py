"""Show what scenes come to."""

from collections.abc import Mapping, Sequence

from tests.accuracy.identity.figures import Figures
from tests.accuracy.identity.tables import value_at
from tests.accuracy.scenes.axes import AXES, Axis
from tests.accuracy.scenes.measuring import Measured
from tests.accuracy.table import Cell, Table

_COLUMNS = {
    "first IDF1": "first.idf1",
    "final IDF1": "final.idf1",
    "switches": "final.switches",
    "ids": "final.ids",
    "pair P": "final.pairs.precision",
    "pair R": "final.pairs.recall",
    "hand-over R": "final.arrivals.handover.recall",
    "hand-over P": "final.arrivals.handover.precision",
    "re-entry R": "final.arrivals.reentry.recall",
    "re-entry P": "final.arrivals.reentry.precision",
    "floor error m": "floor.person_error_m.median",
}
_REFERENCES = {"causal IDF1": "causal", "ceiling IDF1": "ceiling"}
_COUNTS = ("switches", "ids")


def table_of(measured: Measured, notes: Sequence[str] = ()) -> Table:
    """Return all axes in one table."""
    rows = [
        row
        for axis in AXES
        if axis.name in measured
        for row in _rows(axis, measured[axis.name])
    ]
    return Table(
        "scenes",
        "Scripted scenes",
        ("difficulty", "level", "evidence", *_COLUMNS, *_REFERENCES),
        rows,
        notes,
    )


def _rows(
    axis: Axis, levels: Mapping[str, Mapping[str, Figures]]
) -> Sequence[Sequence[Cell]]:
    return [
        (
            axis.title,
            level.name,
            str(mode),
            *(_cell(levels[level.name][mode], path) for path in _COLUMNS.values()),
            *(
                _cell(levels[level.name][one], "final.idf1")
                for one in _REFERENCES.values()
            ),
        )
        for level in axis.levels
        for mode in level.modes
    ]


def _cell(figures: Figures, path: str) -> Cell:
    value = value_at(figures, path)
    if value is None:
        return "–"
    is_count = path.rpartition(".")[2] in _COUNTS
    return round(value, 1) if is_count else value
