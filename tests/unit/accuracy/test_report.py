"""What was measured, on its way to readers."""

import json
from pathlib import Path

import pytest

from tests.accuracy.report import BEGIN, END, replace_measured, write_json
from tests.accuracy.table import Table
from tests.bench.machine import Machine

MACHINE = Machine("a processor", 2, 24.0, "Linux 6", "3.11", 0.5)
TABLE = Table(
    "detectors",
    "Detectors",
    ("model", "AP50", "ms a frame"),
    [("movenet", 0.78749, 77.94), ("slow", "–", 1741.2)],
    ["On 69 frames."],
)


def test_only_the_part_of_a_table_changes() -> None:
    """The rest stays as people wrote it, and a second measurement takes its place."""
    begin, end = BEGIN.format("detectors"), END.format("detectors")
    page = f"before\n{begin}\nold\n{end}\nafter\n"
    once = replace_measured(page, TABLE, MACHINE)
    assert once.startswith(f"before\n{begin}\n\n### Detectors\n")
    assert "| movenet | 0.787 | 77.9 |" in once
    assert "| slow | – | 1741 |" in once
    measured_on = f"Measured on {MACHINE.text()}."
    assert once.endswith(f"On 69 frames.\n{measured_on}\n\n{end}\nafter\n")
    assert replace_measured(once, TABLE, MACHINE) == once


def test_a_page_without_a_measured_part_is_refused() -> None:
    """Nothing is written over what was not meant for it."""
    with pytest.raises(ValueError, match="no part between"):
        replace_measured("a page", TABLE, MACHINE)


def test_numbers_are_written_in_full_for_programs(tmp_path: Path) -> None:
    """Each table has a key of its own."""
    write_json([TABLE], MACHINE, tmp_path / "new" / "models.json")
    written = json.loads((tmp_path / "new" / "models.json").read_text())
    assert written["detectors"]["rows"][0] == ["movenet", 0.78749, 77.94]
    assert written["machine"]["cores"] == 2
