"""Say which models there are, for a person."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from services.common.models.entries import DetectorEntry, ModelEntry
from services.common.models.presence import Presence, Where, presence_of

_HEADINGS = ("model", "kind", "backend", "input", "file", "hash", "licence")
_FOOTNOTE = (
    "* not measured here: the scores of a detector are those that are customary for "
    "its family, the similarity of an embedder is that of its like"
)


def list_models(
    entries: Mapping[str, ModelEntry], model_dir: Path | None, cache_dir: Path
) -> Iterator[str]:
    """Return the lines of a table of all models."""
    rows = [_HEADINGS]
    for name, entry in sorted(entries.items()):
        found = presence_of(entry, model_dir, cache_dir)
        rows.append(
            (
                name if entry.measured else f"{name} *",
                "detector" if isinstance(entry, DetectorEntry) else "embedder",
                str(entry.backend),
                _input(entry),
                _place(entry, found),
                _verdict(found),
                entry.licence,
            )
        )
    yield from _aligned(rows)
    if not all(entry.measured for entry in entries.values()):
        yield _FOOTNOTE


def _input(entry: ModelEntry) -> str:
    """Return the size of what a model reads."""
    if isinstance(entry, DetectorEntry):
        return f"{entry.input_width_px}x{entry.input_height_px}"
    return f"{entry.input.width_px}x{entry.input.height_px}" if entry.input else "-"


def _place(entry: ModelEntry, found: Presence) -> str:
    """Return where the files are, or how they could come."""
    if found.where is not Where.NOWHERE:
        return found.where
    if not all(file.sources for file in entry.files):
        return f"{found.where}; put it into SPOTON_MODEL_DIR"
    sizes = [file.size_bytes for file in entry.files]
    known = [size for size in sizes if size is not None]
    how = f"{sum(known) / 1e6:.1f} MB" if len(known) == len(sizes) else "size unknown"
    return f"{found.where}; can be fetched, {how}"


def _verdict(found: Presence) -> str:
    """Return whether the files are right."""
    if found.where in (Where.NOWHERE, Where.NO_FILE):
        return "-"
    if found.wrong:
        return "WRONG"
    return "incomplete" if found.missing else "right"


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Return rows with columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
