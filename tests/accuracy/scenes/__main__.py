"""`python -m tests.accuracy.scenes`: measure who is who in scripted scenes.

Prints a table, writes `build/eval-scenes.json`, and makes the table and the plots of
`docs/accuracy.md` anew, unless only some axes were asked for.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

from PIL import Image
from rich.console import Console

from services.common.log import configure_logging
from tests.accuracy.identity.unusable import UnusableData
from tests.accuracy.report import print_table, replace_measured
from tests.accuracy.scenes.axes import AXES, Axis
from tests.accuracy.scenes.drawing import draw
from tests.accuracy.scenes.measuring import measure
from tests.accuracy.scenes.tables import table_of
from tests.bench.machine import this_machine

PAGE, PICTURE = Path("docs/accuracy.md"), Path("docs/scenes.png")
SEEDS = (0, 1)
_PLAIN_WIDTH = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and return the exit status."""
    options = _parser().parse_args(arguments)
    configure_logging("evaluation", level=logging.WARNING)
    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    console = Console(highlight=False, width=width)
    try:
        axes, seeds = _axes(options.only), _seeds(options.seeds)
    except UnusableData as error:
        sys.stderr.write(f"eval: {error}\n")
        return 1
    begin_s = perf_counter()
    measured = measure(axes, seeds, lambda line: console.print(line, soft_wrap=True))
    notes = [
        f"Seeds {options.seeds or SEEDS}; {perf_counter() - begin_s:.0f} s in all.",
    ]
    table, machine = table_of(measured, notes), this_machine()
    print_table(console, table)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": asdict(machine), "seeds": seeds, "scenes": measured}
    options.output.write_text(json.dumps(content, indent=2) + "\n")
    console.print(f"Figures: {options.output}.")
    if axes == AXES:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(replace_measured(page, table, machine), encoding="utf-8")
        # Few colours: a file that a repository carries should be small.
        Image.fromarray(draw(measured)).quantize(32).save(PICTURE, optimize=True)
        console.print(f"{PAGE} and {PICTURE} were made anew.")
    return 0


def _axes(text: str) -> Sequence[Axis]:
    names = text.split(",") if text else [axis.name for axis in AXES]
    unknown = set(names) - {axis.name for axis in AXES}
    if unknown:
        known = ", ".join(axis.name for axis in AXES)
        raise UnusableData(f"ONLY must be of {known}; got {text!r}")
    return tuple(axis for axis in AXES if axis.name in names)


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(map(int, text.split(","))) if text else SEEDS
    except ValueError:
        raise UnusableData(f"SEEDS must be numbers, got {text!r}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy.scenes")
    known = ",".join(axis.name for axis in AXES)
    parser.add_argument("--only", default="", help=f"axes of {known}; all by default")
    parser.add_argument("--seeds", default="", help="of the scenes, such as 0,1,2")
    parser.add_argument("--output", type=Path, default=Path("build/eval-scenes.json"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
