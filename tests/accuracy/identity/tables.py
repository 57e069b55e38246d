"""Show figures to people."""

from collections.abc import Mapping, Sequence

from tests.accuracy.identity.figures import Figures
from tests.accuracy.table import Cell, Table

_IDENTITY = {
    "IDF1": "idf1",
    "HOTA": "hota",
    "DetA": "deta",
    "AssA": "assa",
    "MOTA": "mota",
    "switches": "switches",
    "ids": "ids",
    "pair P": "pairs.precision",
    "pair R": "pairs.recall",
    "arrival P": "arrivals.all.precision",
    "arrival R": "arrivals.all.recall",
}
_CAMERA = {name: _IDENTITY[name] for name in tuple(_IDENTITY)[:7]}
_FLOOR = {
    "box error m": "box_error_m",
    "person error m": "person_error_m",
    "disagreement m": "disagreement_m",
    "jitter m": "jitter_m",
}


def tables_of(name: str, modes: Mapping[str, Figures]) -> Sequence[Table]:
    """Return the tables of one recording.

    Args:
        name: Of the recording.
        modes: Figures of each kind of evidence.
    """
    scored = {mode: own for mode, own in modes.items() if "first" in own}
    tables = [
        Table(
            f"{name}.identity",
            f"{name}: all cameras, ids must hold across them",
            ("evidence", "ids as", *_IDENTITY),
            [
                (mode, when, *_cells(own, when, _IDENTITY))
                for mode, own in scored.items()
                for when in ("first", "final")
            ],
        ),
        Table(
            f"{name}.cameras",
            f"{name}: each camera by itself, final ids",
            ("evidence", "camera", *_CAMERA),
            [
                (mode, camera, *_cells(own, f"final.cameras.{camera}", _CAMERA))
                for mode, own in scored.items()
                for camera in _at(own, "final.cameras") or ()  # type: ignore[union-attr]
            ],
        ),
        Table(
            f"{name}.floor",
            f"{name}: on the floor, median (90th percentile)",
            ("evidence", *_FLOOR, "coasted boxes", "precision", "longest s"),
            [
                (
                    mode,
                    *(_spread(own, f"floor.{key}") for key in _FLOOR.values()),
                    *_cells(own, "coasted", {n: n for n in _COASTED}),
                )
                for mode, own in scored.items()
            ],
        ),
        Table(
            f"{name}.run",
            f"{name}: the runs",
            ("evidence", "runs", "s", "tick p50 ms", "tick p99 ms", "vectors", "boxes"),
            [
                (mode, _cell(own, "runs"), *_cells(own, "run", {n: n for n in _RUN}))
                for mode, own in modes.items()
            ],
        ),
    ]
    return [table for table in tables if table.rows]


_COUNTS = ("switches", "ids", "boxes", "runs", "embeddings", "persons")
_COASTED = ("boxes", "precision", "longest_s")
_RUN = ("wall_s", "associate_p50_ms", "associate_p99_ms", "embeddings", "boxes")


def value_at(figures: Figures, path: str) -> float | None:
    """Return the number at a dotted path; None where there is none."""
    value = _at(figures, path)
    return value if isinstance(value, float | int) else None


def _at(figures: Figures, path: str) -> "float | Figures | None":
    value: float | Figures | None = figures
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _cells(figures: Figures, prefix: str, columns: Mapping[str, str]) -> list[Cell]:
    return [_cell(figures, f"{prefix}.{key}") for key in columns.values()]


def _cell(figures: Figures, path: str) -> Cell:
    value = value_at(figures, path)
    if value is None:
        return "–"
    is_count = path.rpartition(".")[2] in _COUNTS
    return round(value) if is_count else float(value)


def _spread(figures: Figures, path: str) -> Cell:
    median, p90 = (value_at(figures, f"{path}.{one}") for one in ("median", "p90"))
    return "–" if median is None or p90 is None else f"{median:.2f} ({p90:.2f})"


def studio_table(modes: Mapping[str, Figures]) -> Table:
    """Return how many persons stand in the studio, where there are three people."""
    columns = {
        "persons": "persons",
        "mean at a time": "mean",
        "share of exactly 3": "exact",
    }
    rows = [
        (mode, when, *_cells(own, when, columns))
        for mode, own in modes.items()
        for when in ("first", "final")
    ]
    title = "studio: persons on the floor, of three people"
    return Table("studio", title, ("evidence", "ids as", *columns), rows)
