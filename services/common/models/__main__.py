"""List the models, or fetch their files: `python -m services.common.models`."""

import argparse
import sys

from services.common.errors import SpotOnError
from services.common.models.entries import ModelEntry
from services.common.models.hashing import WrongHash
from services.common.models.locating import cache_dir, locate, model_dir
from services.common.models.registry import Registry, load_registry


def _say(line: str) -> None:
    """Write one line at once, also into a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _list(registry: Registry) -> None:
    """Say what exists."""
    for name, entry in sorted(registry.entries.items()):
        file = ", ".join(file.name for file in entry.files) or "needs no file"
        _say(f"{name:36} {entry.backend:8} {file}  ({entry.licence})")


def _fetch(name: str, entry: ModelEntry) -> None:
    """Make sure that a model's file is here."""
    if not entry.files:
        _say(f"{name}: needs no file")
        return
    located = locate(entry, model_dir(), cache_dir(), report=_say)
    size_mb = sum(file.path.stat().st_size for file in located.files) / 1e6
    _say(f"{name}: {located.path} ({size_mb:.1f} MB, SHA-256 is right)")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m services.common.models")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="list the models")
    fetch = commands.add_parser("fetch", help="fetch and verify model files")
    fetch.add_argument("names", nargs="+", metavar="NAME", help="name of a model")
    options = parser.parse_args(arguments)
    registry = load_registry()
    if options.command == "list":
        _list(registry)
        return 0
    unknown = [name for name in options.names if name not in registry.entries]
    if unknown:
        parser.error(f"no such model: {', '.join(unknown)}")
    try:
        for name in options.names:
            _fetch(name, registry.entries[name])
    except (SpotOnError, WrongHash, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
