"""`python -m tests.accuracy.identity`: measure who is who, across cameras.

Prints tables and writes `build/eval.json`; docs/accuracy.md says what each score
means. Everything that it starts ends with it.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import uvloop
from rich.console import Console

from demo.media import MediaUnavailable
from demo.models import fetch_models
from services.common.errors import SpotOnError
from services.common.log import configure_logging
from services.common.models import WrongHash
from stack.home import StackError
from stack.signals import stop_on_signals
from tests.accuracy.identity import comparing, crops, plaza, studio
from tests.accuracy.identity.evidence import Mode
from tests.accuracy.identity.figures import Figures
from tests.accuracy.identity.loading import source_of
from tests.accuracy.identity.runs import Options, evaluate
from tests.accuracy.identity.tables import studio_table, tables_of
from tests.accuracy.identity.unusable import UnusableData
from tests.accuracy.pets import NoData
from tests.accuracy.report import print_table
from tests.bench.machine import this_machine

VARIABLE = "SPOTON_EVAL_DATA"
CAMPUS = "campus-auditorium-dev"
VIDEOS = {"plaza": plaza.measure, "studio": studio.measure}
PARTS = ("campus", "epfl", *VIDEOS)

_PLAIN_WIDTH = 180


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and return the exit status."""
    options = _parser().parse_args(arguments)
    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    console = Console(highlight=False, width=width)
    try:
        if options.compare:
            _compare(options.compare, options.picture, console)
        else:
            _write(_measured(options, console), options, console)
    except (UnusableData, SpotOnError, StackError, WrongHash) as error:
        sys.stderr.write(f"eval: {error}\n")
        return 1
    except asyncio.CancelledError:
        console.print("Stopped.")
        return 130
    return 0


def _measured(options: argparse.Namespace, console: Console) -> dict[str, object]:
    """Return the figures of everything that is to be measured."""
    if options.data is not None:
        folder = options.data.resolve()
        return {_key(folder.name): _recorded(folder, options, console)}
    home = os.environ.get(VARIABLE, "")
    parts = options.only.split(",") if options.only else list(PARTS)
    found: dict[str, object] = {}
    if not (home and Path(home).is_dir()) and not set(parts) <= {"studio"}:
        raise UnusableData(f"name a folder by DATA, or set {VARIABLE} to one")
    data = Path(home)
    if "campus" in parts:
        folder = data / CAMPUS
        found[_key(CAMPUS)] = _recorded(folder, options, console)
    if "epfl" in parts:
        embedders, left_out = crops.measure(data)
        found["epfl"] = embedders
        print_table(console, crops.table_of(embedders, left_out))
    for name, measure in VIDEOS.items():
        if name in parts:
            found[name] = _filmed(name, measure, console)
    return found


def _recorded(
    folder: Path, options: argparse.Namespace, console: Console
) -> Mapping[str, Figures]:
    """Return the figures of recorded detections, and print them."""
    source = source_of(folder, options.floor, options.seconds)
    chosen = Options(
        modes=_modes(options.modes),
        seeds=tuple(map(int, options.seeds.split(","))) if options.seeds else (),
        fast=options.fast,
        tracker=options.tracker,
        predictions=options.predictions,
    )
    with tempfile.TemporaryDirectory(prefix="spoton-eval-") as home:
        figures = evaluate(source, chosen, Path(home))
    for table in tables_of(folder.name, figures):
        print_table(console, table)
    if not figures:
        console.print(f"{folder.name}: nothing can decide who is who, nothing was run.")
    return figures


def _filmed(
    name: str,
    measure: Callable[[Path, Path], Awaitable[dict[str, Figures]]],
    console: Console,
) -> Mapping[str, Figures]:
    """Return the figures of an environment of the demo, none where it cannot be had."""
    media = (Path(os.environ.get("SPOTON_HOME") or ".spoton") / "media").resolve()

    async def stoppable(home: str) -> dict[str, Figures]:
        stop_on_signals()
        return await measure(media, Path(home))

    try:
        fetch_models(lambda _line: None)
        with tempfile.TemporaryDirectory(prefix="spoton-eval-") as home:
            figures = uvloop.run(stoppable(home))
    except (NoData, MediaUnavailable) as error:
        console.print(f"{name} not run: {error}", markup=False)
        return {}
    if name == "studio":
        print_table(console, studio_table(figures))
    else:
        for table in tables_of(name, figures):
            print_table(console, table)
    return figures


def _compare(names: str, picture: Path, console: Console) -> None:
    """Print two evaluations side by side, and draw the differences."""
    paths = [Path(name) for name in names.split(",")]
    if len(paths) != 2:
        raise UnusableData(f"COMPARE must name two files with a comma, got {names!r}")
    first, second = paths
    found = comparing.differences(comparing.read(first), comparing.read(second))
    if not found:
        raise UnusableData(f"{first} and {second} have no score in common")
    print_table(console, comparing.table_of(found, first, second))
    comparing.save(comparing.draw(found, first, second), picture)
    console.print(f"Drawn to {picture}.")


def _write(
    found: Mapping[str, object], options: argparse.Namespace, console: Console
) -> None:
    options.output.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": asdict(this_machine()), **found}
    options.output.write_text(json.dumps(content, indent=2) + "\n")
    console.print(f"Figures: {options.output}; predicted boxes: {options.predictions}.")


def _key(name: str) -> str:
    """Return the name of a recording in the JSON."""
    return name.replace("-", "_")


def _modes(text: str) -> tuple[Mode, ...]:
    try:
        return tuple(map(Mode, text.split(","))) if text else (*Mode,)
    except ValueError:
        known = ", ".join(Mode)
        raise UnusableData(f"MODES must be of {known}; got {text!r}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy.identity")
    add = parser.add_argument
    add("data", nargs="?", type=Path, help="folder with a recording")
    add("--only", default="", help=f"without a folder: of {','.join(PARTS)}")
    add("--modes", default="", help=f"of {','.join(Mode)}; all by default")
    add("--seeds", default="", help="of the vectors, such as 0,1; all by default")
    add("--fast", action="store_true", help="in this process, without stores")
    add("--seconds", type=float, help="only the beginning of the recording")
    add("--floor", default="cameras.json", help="file that describes the floor")
    add("--tracker", default="", help="tracker; the service's default by default")
    add("--output", type=Path, default=Path("build/eval.json"))
    add("--predictions", type=Path, default=Path("build/eval"))
    add("--compare", default="", help="two files of earlier runs, with a comma")
    add("--picture", type=Path, default=Path("build/eval-comparison.png"))
    return parser


if __name__ == "__main__":
    configure_logging("evaluation", level=logging.WARNING)
    sys.exit(main())
