"""`python -m tests.accuracy`: measure every model and tracker that can run here.

Prints tables, writes `build/models.json`, and makes their parts of `docs/models.md`
anew.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from tests.accuracy import detectors, embedders, trackers
from tests.accuracy.report import print_table, replace_measured, write_json
from tests.bench.machine import this_machine

MEASUREMENTS = {
    "detectors": detectors.measure,
    "embedders": embedders.measure,
    "trackers": trackers.measure,
}
PAGE = Path("docs/models.md")


def main() -> int:
    """Measure and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy")
    parser.add_argument(
        "only",
        nargs="*",
        choices=[*MEASUREMENTS, []],
        help="what to measure; all when nothing is named",
    )
    parser.add_argument("--output", type=Path, default=Path("build/models.json"))
    options = parser.parse_args()
    width = None if sys.stdout.isatty() else 140
    console, machine = Console(highlight=False, width=width), this_machine()
    tables = []
    for name in options.only or MEASUREMENTS:
        tables.append(MEASUREMENTS[name]())
        print_table(console, tables[-1])
    write_json(tables, machine, options.output)
    page = PAGE.read_text(encoding="utf-8")
    for table in tables:
        page = replace_measured(page, table, machine)
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
