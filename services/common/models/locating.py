"""Find a model's files: in the user's directory, in the cache, or at their sources.

Whatever the origin, a file is used only if its SHA-256 is the registry's.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.common.errors import NotFound, Unavailable
from services.common.ids import ModelId
from services.common.models.entries import ModelEntry
from services.common.models.fetching import NoSource, fetch, title
from services.common.models.hashing import WrongHash, verify
from services.common.models.model_file import ModelFile
from services.common.models.sources.pace import Patience
from services.common.models.sources.transfer import Report

DEFAULT_CACHE_DIR = Path(".spoton/models")


@dataclass(frozen=True, slots=True)
class LocatedFile:
    """A file of a model, on this machine, verified.

    Attributes:
        path: Where it is.
        sha256: Its hash, hexadecimal.
        origin: Where it came from, for a person.
    """

    path: Path
    sha256: str
    origin: str


@dataclass(frozen=True, slots=True)
class LocatedModel:
    """A model whose files are on this machine, verified.

    Attributes:
        model_id: Name in the registry.
        path: The file; of a model with several, the folder that holds them all.
        files: Each of them.
    """

    model_id: ModelId
    path: Path
    files: tuple[LocatedFile, ...]


def model_dir() -> Path | None:
    """Return the directory of files that the user supplies, SPOTON_MODEL_DIR."""
    folder = os.environ.get("SPOTON_MODEL_DIR")
    return Path(folder) if folder else None


def cache_dir() -> Path:
    """Return the directory of fetched files, SPOTON_MODEL_CACHE."""
    return Path(os.environ.get("SPOTON_MODEL_CACHE") or DEFAULT_CACHE_DIR)


def home_of(entry: ModelEntry, folder: Path) -> Path:
    """Return where a model's files are in a directory: several have their own."""
    return folder if len(entry.files) == 1 else folder / entry.model_id


def locate(
    entry: ModelEntry,
    model_dir: Path | None,
    cache_dir: Path,
    *,
    patience: Patience | None = None,
    report: Report = lambda _line: None,
) -> LocatedModel:
    """Return where a model's verified files are, fetching them if it has to be.

    The user's directory comes first, then the cache, then the sources in order.
    Several processes may ask for one file at once: one fetches, the others wait.

    Args:
        entry: What to find.
        model_dir: The user's files; None when there are none.
        cache_dir: Where fetched files are kept. Made if it does not exist.
        patience: How long a source may keep us waiting; absent means the default.
        report: Told what is being fetched.

    Raises:
        NotFound: The model has no files.
        WrongHash: The user's file is another one, or the cached one is and there is
            no source.
        Unavailable: A file is nowhere, and no source could supply it; the message
            names each source and its reason.
    """
    if not entry.files:
        raise NotFound(f"{entry.model_id} has no file")
    home = _supplied(entry, model_dir, report)
    if home is not None:
        files = tuple(_in_directory(file, home) for file in entry.files)
    else:
        home = home_of(entry, cache_dir)
        cache = _Cache(home, patience or Patience(), report)
        files = tuple(cache.locate(file) for file in entry.files)
    path = files[0].path if len(files) == 1 else home
    return LocatedModel(entry.model_id, path, files)


def cached_origin(path: Path) -> str:
    """Return where a file in the cache was fetched from, for a person."""
    try:
        notes = json.loads(_notes_of(path).read_text(encoding="utf-8"))
        return f"cache, fetched from {notes['source']} at {notes['fetched_at']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "cache"


def _supplied(entry: ModelEntry, folder: Path | None, report: Report) -> Path | None:
    """Return where the user keeps all files of a model, or None."""
    if folder is None:
        return None
    home = home_of(entry, folder)
    missing = [file.name for file in entry.files if not (home / file.name).is_file()]
    if not missing:
        return home
    if len(missing) < len(entry.files):
        report(f"{home} lacks {', '.join(missing)}; none of its files is used")
    return None


def _in_directory(file: ModelFile, home: Path) -> LocatedFile:
    """Return a file that the user supplied."""
    path = verify(home / file.name, file.sha256)
    return LocatedFile(path, file.sha256, "SPOTON_MODEL_DIR")


class _Cache:
    """Files that were fetched."""

    def __init__(self, home: Path, patience: Patience, report: Report) -> None:
        self._home = home
        self._patience = patience
        self._report = report

    def locate(self, file: ModelFile) -> LocatedFile:
        """Return a file, fetched if it is not here or not the right one."""
        path = self._home / file.name
        if not _is_right(path, file):
            self._home.mkdir(parents=True, exist_ok=True)
            with self._locked(file):
                # Somebody may have fetched it while we waited.
                if not _is_right(path, file):
                    self._fetch(file, path)
        return LocatedFile(path, file.sha256, cached_origin(path))

    def _fetch(self, file: ModelFile, path: Path) -> None:
        """Put the right file at `path`, and a note of its origin beside it."""
        if path.is_file():
            if not file.sources:
                verify(path, file.sha256)
            self._report(f"{path} is another file than the registry's")
        try:
            source = fetch(file, path, self._patience, self._report)
        except NoSource as error:
            raise Unavailable(
                f"{file.name} is neither in SPOTON_MODEL_DIR nor in {self._home}, "
                f"and could not be fetched: {error}"
            ) from error
        fetched_at = datetime.now(UTC).isoformat(timespec="seconds")
        notes = {"source": title(source), "fetched_at": fetched_at}
        _notes_of(path).write_text(json.dumps(notes), encoding="utf-8")

    @contextmanager
    def _locked(self, file: ModelFile) -> Iterator[None]:
        """Hold a lock between processes; the system releases it if we die."""
        with (self._home / f"{file.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._report(f"waiting for a process that fetches {file.name}")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _is_right(path: Path, file: ModelFile) -> bool:
    """Tell whether the file is here and the right one."""
    try:
        verify(path, file.sha256)
    except (WrongHash, FileNotFoundError):
        return False
    return True


def _notes_of(path: Path) -> Path:
    """Return the file that keeps the origin of a cached one."""
    return path.with_name(f"{path.name}.origin.json")
