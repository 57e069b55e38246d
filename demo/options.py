"""What the demo can be told."""

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from demo.environment import DemoEnvironment
from demo.environments import ENVIRONMENTS

MEDIA_VARIABLE = "SPOTON_PIPELINE_MEDIA_DIR"


@dataclass(frozen=True, slots=True)
class Options:
    """How to run.

    Attributes:
        environments: What is run, one after the other.
        once: End after the pictures are drawn, instead of staying up.
        no_floor: Decide identities without positions on the floor.
        output: Folder for the pictures.
        home: Folder in which the stack keeps its data.
        media_dir: Folder of the recordings.
        started_s: When the command was given, seconds since 1970.
    """

    environments: tuple[DemoEnvironment, ...]
    once: bool
    no_floor: bool
    output: Path
    home: Path
    media_dir: Path
    started_s: float

    def seconds_since_start(self) -> float:
        """Return how long ago the command was given."""
        return time.time() - self.started_s


def parse_options(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="Track people on real video with everything on this machine.",
    )
    names = [one.environment_id for one in ENVIRONMENTS]
    parser.add_argument(
        "--only", choices=names, help="run this environment instead of all"
    )
    parser.add_argument(
        "--once", action="store_true", help="end when done; non-zero if it went wrong"
    )
    parser.add_argument(
        "--no-floor",
        action="store_true",
        help="decide who is who by appearance alone",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("build/demo"), help="folder for pictures"
    )
    parser.add_argument(
        "--started",
        type=float,
        default=psutil.Process().create_time(),
        help="when the command was given, seconds since 1970",
    )
    parsed = parser.parse_args(arguments)
    home = Path(os.environ.get("SPOTON_HOME") or ".spoton").expanduser().resolve()
    media_dir = Path(os.environ.get(MEDIA_VARIABLE) or home / "media")
    return Options(
        environments=tuple(
            one for one in ENVIRONMENTS if parsed.only in (None, one.environment_id)
        ),
        once=parsed.once,
        no_floor=parsed.no_floor,
        output=parsed.output,
        home=home,
        media_dir=media_dir.expanduser().resolve(),
        started_s=parsed.started,
    )
