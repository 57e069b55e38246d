"""Show measured tables to people, to programs, and to the readers of the docs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from tests.accuracy.table import Cell, Table
from tests.bench.machine import Machine

BEGIN, END = "<!-- measured {} -->", "<!-- /measured {} -->"
"""Around the part of a page that a table of this name fills."""


def print_table(console: Console, table: Table) -> None:
    """Print a table and what is to be known about it."""
    drawn = RichTable(*table.columns, title=table.title)
    for row in table.rows:
        drawn.add_row(*map(_text, row))
    console.print(drawn)
    for note in table.notes:
        console.print(note)


def write_json(tables: Sequence[Table], machine: Machine, path: Path) -> None:
    """Write everything that was measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    measured = {table.name: asdict(table) for table in tables}
    content = {"machine": asdict(machine), **measured}
    path.write_text(json.dumps(content, indent=2) + "\n")


def replace_measured(page: str, table: Table, machine: Machine) -> str:
    """Return a page in Markdown with the part of a table made anew.

    Raises:
        ValueError: The page has no part for this table.
    """
    begin, end = BEGIN.format(table.name), END.format(table.name)
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"the page has no part between {begin} and {end}")
    return f"{before}{begin}\n\n{_markdown(table, machine)}\n\n{end}{after}"


def _markdown(table: Table, machine: Machine) -> str:
    """Return a table as Markdown, each sentence about it on a line of its own."""
    lines = [
        f"### {table.title}",
        "",
        _markdown_row(table.columns),
        _markdown_row(["---"] * len(table.columns)),
        *map(_markdown_row, table.rows),
    ]
    return "\n".join([*lines, "", *table.notes, f"Measured on {machine.text()}."])


def _markdown_row(cells: Sequence[Cell]) -> str:
    return "| " + " | ".join(map(_text, cells)) + " |"


def _text(cell: Cell) -> str:
    """Return a cell for people; of a number of any size, three digits that count."""
    if not isinstance(cell, float):
        return str(cell)
    if abs(cell) < 1:
        return f"{cell:.3f}"
    return f"{cell:.0f}" if abs(cell) >= 100 else f"{cell:#.3g}"
