"""List, fetch, verify and describe models: `python -m services.common.models`."""

import argparse
import sys
from pathlib import Path

from services.common.errors import SpotOnError
from services.common.models.describing import Kind, describe
from services.common.models.entries import ModelEntry
from services.common.models.hashing import WrongHash
from services.common.models.listing import list_models
from services.common.models.locating import cache_dir, locate, model_dir
from services.common.models.presence import Where, presence_of
from services.common.models.registry import Registry, load_registry


def _say(line: str) -> None:
    """Write one line at once, also into a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _fetch(entry: ModelEntry) -> None:
    """Make sure that a model's files are here."""
    if not entry.files:
        _say(f"{entry.model_id}: needs no file")
        return
    located = locate(entry, model_dir(), cache_dir(), report=_say)
    size_mb = sum(file.path.stat().st_size for file in located.files) / 1e6
    origins = ", ".join(sorted({file.origin for file in located.files}))
    _say(f"{entry.model_id}: {located.path} ({size_mb:.1f} MB, right; {origins})")


def _verify(registry: Registry) -> int:
    """Check every file that is here; return the exit status."""
    status, seen = 0, 0
    for name, entry in sorted(registry.entries.items()):
        found = presence_of(entry, model_dir(), cache_dir())
        if found.where in (Where.NOWHERE, Where.NO_FILE):
            continue
        for path, sha256 in found.hashes.items():
            seen += 1
            verdict = "WRONG" if path in found.wrong else "right"
            _say(f"{verdict}  {name}  {path}  {sha256}")
        for missing in found.missing:
            _say(f"MISSING  {name}  {missing}")
        status = status if found.is_right else 1
    _say(
        f"files here: {seen}; "
        + ("all are right" if status == 0 else "not all are right")
    )
    return status


def _parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m services.common.models")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="list the models, and which are here")
    commands.add_parser("verify", help="check the hashes of all files that are here")
    fetch = commands.add_parser("fetch", help="fetch and verify model files")
    fetch.add_argument("names", nargs="+", metavar="NAME", help="name of a model")
    entry = commands.add_parser("describe", help="write the entry of a model")
    entry.add_argument("file", type=Path, metavar="FILE", help="file, or folder")
    entry.add_argument("--kind", type=Kind, choices=list(Kind), help="what it is for")
    return parser


def _run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Do what the command line says; return the exit status."""
    if options.command == "describe":
        sys.stdout.write(describe(options.file, options.kind))
        return 0
    registry = load_registry()
    if options.command == "verify":
        return _verify(registry)
    if options.command == "list":
        for line in list_models(registry.entries, model_dir(), cache_dir()):
            _say(line)
        return 0
    # What a variable names with commas can be passed on as it is.
    names = [name.strip() for text in options.names for name in text.split(",")]
    unknown = [name for name in names if name not in registry.entries]
    if unknown:
        parser.error(f"no such model: {', '.join(unknown)}")
    for name in names:
        _fetch(registry.entries[name])
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = _parser()
    try:
        return _run(parser.parse_args(arguments), parser)
    except (SpotOnError, WrongHash, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
