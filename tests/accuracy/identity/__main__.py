"""`python -m tests.accuracy.identity`: measure who is who, across cameras.

Prints tables and writes `build/eval.json`; docs/accuracy.md says what each score
means. Everything that it starts ends with it.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console

from services.common.log import configure_logging
from tests.accuracy.identity import csv_layout
from tests.accuracy.identity.evidence import Mode
from tests.accuracy.identity.runs import Options, Source, evaluate
from tests.accuracy.identity.tables import tables_of
from tests.accuracy.report import print_table
from tests.bench.machine import this_machine

VARIABLE = "SPOTON_EVAL_DATA"
CAMPUS = "campus-auditorium-dev"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and return the exit status."""
    options = _parser().parse_args(arguments)
    configure_logging("evaluation", level=logging.WARNING)
    width = None if sys.stdout.isatty() else 180
    console = Console(highlight=False, width=width)
    try:
        folder = _folder(options.data)
        results = {_key(folder): _measured(folder, options, console)}
    except (csv_layout.UnusableData, ValueError) as error:
        sys.stderr.write(f"eval: {error}\n")
        return 1
    options.output.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": asdict(this_machine()), **results}
    options.output.write_text(json.dumps(content, indent=2) + "\n")
    console.print(f"Written to {options.output} and {options.predictions}.")
    return 0


def _measured(
    folder: Path, options: argparse.Namespace, console: Console
) -> dict[str, object]:
    """Return the figures of a recording, and print them."""
    load = partial(csv_layout.load, folder, floor=options.floor)
    source = Source(load, csv_layout.seeds_in(folder))
    chosen = Options(
        modes=tuple(map(Mode, options.modes.split(","))) if options.modes else (*Mode,),
        seeds=tuple(map(int, options.seeds.split(","))) if options.seeds else (),
        fast=options.fast,
        tracker=options.tracker,
        predictions=options.predictions,
    )
    with tempfile.TemporaryDirectory(prefix="spoton-eval-") as home:
        figures = evaluate(source, chosen, Path(home))
    for table in tables_of(folder.name, figures):  # type: ignore[arg-type]
        print_table(console, table)
    return dict(figures)


def _folder(data: Path | None) -> Path:
    """Return the folder to measure on."""
    if data is None:
        home = os.environ.get(VARIABLE)
        if not home:
            raise ValueError(f"name a folder, or set {VARIABLE}")
        data = Path(home) / CAMPUS
    if not data.is_dir():
        raise ValueError(f"{data} is not a folder")
    return data.resolve()


def _key(folder: Path) -> str:
    """Return the name of a recording in the JSON."""
    return folder.name.replace("-", "_")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy.identity")
    add = parser.add_argument
    add("data", nargs="?", type=Path, help="folder with detections.csv")
    add("--modes", default="", help="of both,floor,appearance,none; all by default")
    add("--seeds", default="", help="of the vectors, such as 0,1; all by default")
    add("--fast", action="store_true", help="in this process, without stores")
    add("--floor", default="cameras.json", help="file that describes the floor")
    add("--tracker", default="", help="tracker; the service's default by default")
    add("--output", type=Path, default=Path("build/eval.json"))
    add("--predictions", type=Path, default=Path("build/eval"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
