"""Get the recording that the demo runs on, from the first place that has it."""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

CLIP_NAME = "vtest.avi"
SHA256 = "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf"
VARIABLE = "SPOTON_DEMO_CLIP"

_ADDRESS = (
    f"https://raw.githubusercontent.com/opencv/opencv/4.x/samples/data/{CLIP_NAME}"
)
_PACKAGE = "opencv-doc"
_CONNECT_TIMEOUT_S = 5.0
_APT_TIMEOUT_S = 300.0
_CHUNK_BYTES = 1 << 21

Say = Callable[[str], None]
"""Shows one line of progress, in place of the line before."""

Source = Callable[[Path, Say], None]
"""Writes the clip to a path, or raises ClipUnavailable."""


class ClipUnavailable(Exception):
    """The clip cannot be had; the message says why."""


def obtain_clip(
    folder: Path, say: Say, sources: Sequence[Source] | None = None
) -> Path:
    """Return the clip in a folder, fetched if it is not there yet.

    Args:
        folder: Where it is kept, created when missing.
        say: Shows progress.
        sources: Where to look, in order; by default a local path, OpenCV's
            repository, and Debian's package.

    Raises:
        ClipUnavailable: No source has it, with the reason of each.
    """
    kept = folder / CLIP_NAME
    if kept.is_file() and sha256_of(kept) == SHA256:
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    reasons = []
    for source in sources or default_sources():
        fresh = folder / f"{CLIP_NAME}.part"
        try:
            source(fresh, say)
            _verify(fresh)
        except ClipUnavailable as reason:
            reasons.append(f"- {reason}")
            fresh.unlink(missing_ok=True)
            continue
        fresh.replace(kept)
        return kept
    raise ClipUnavailable(
        f"The demo's clip {CLIP_NAME} cannot be had:\n" + "\n".join(reasons) + "\n"
        f"Set {VARIABLE} to the path of a copy (SHA-256 {SHA256})."
    )


def default_sources() -> Sequence[Source]:
    """Return where the clip is looked for, in order."""
    return (from_local_path, from_repository, from_debian_package)


def from_local_path(target: Path, say: Say) -> None:
    """Copy the file that the environment names."""
    named = os.environ.get(VARIABLE)
    if not named:
        raise ClipUnavailable(f"{VARIABLE} is not set")
    say(f"copying {named}")
    try:
        shutil.copyfile(named, target)
    except OSError as error:
        raise ClipUnavailable(f"{VARIABLE}: {error}") from error


def from_repository(target: Path, say: Say) -> None:
    """Download the clip from OpenCV's repository of samples."""
    say("asking OpenCV's repository")
    try:
        with (
            urllib.request.urlopen(_ADDRESS, timeout=_CONNECT_TIMEOUT_S) as answer,
            target.open("wb") as file,
        ):
            while chunk := answer.read(_CHUNK_BYTES):
                file.write(chunk)
                say(f"downloading {CLIP_NAME}, {file.tell() / 1e6:.0f} MB")
    except (OSError, urllib.error.URLError) as error:
        raise ClipUnavailable(f"OpenCV's repository: {error}") from error


def from_debian_package(target: Path, say: Say) -> None:
    """Download Debian's package of OpenCV's samples and take the clip out of it.

    Nothing is installed. Works as an ordinary user; package lists that are missing
    are fetched into a folder of our own.
    """
    with tempfile.TemporaryDirectory(prefix="spoton-clip-") as name:
        folder = Path(name)
        try:
            package = _download_package(folder, say)
            say(f"unpacking {CLIP_NAME}")
            _take_out(package, target)
        except (OSError, subprocess.SubprocessError, tarfile.TarError) as error:
            raise ClipUnavailable(f"Debian's {_PACKAGE}: {_reason(error)}") from error


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(path: Path) -> None:
    found = sha256_of(path)
    if found != SHA256:
        path.unlink()
        raise ClipUnavailable(f"a source has another file, SHA-256 {found}")


def _download_package(folder: Path, say: Say) -> Path:
    """Return the package's file, by the system's lists or new ones."""
    say(f"downloading Debian's {_PACKAGE} (96 MB)")
    try:
        _run(["apt-get", "download", _PACKAGE], folder)
    except subprocess.CalledProcessError:
        say("fetching Debian's package lists")
        own = _own_lists(folder)
        _run(["apt-get", *own, "update"], folder)
        say(f"downloading Debian's {_PACKAGE} (96 MB)")
        _run(["apt-get", *own, "download", _PACKAGE], folder)
    return next(folder.glob(f"{_PACKAGE}_*.deb"))


def _own_lists(folder: Path) -> list[str]:
    """Return options that let apt keep its lists and cache in our folder."""
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    settings = {
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "Debug::NoLocking": "1",
    }
    return [
        part for key, value in settings.items() for part in ("-o", f"{key}={value}")
    ]


def _take_out(package: Path, target: Path) -> None:
    """Write one member of a package, without unpacking the rest."""
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as unpacking:  # noqa: S603
        with tarfile.open(fileobj=unpacking.stdout, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None and Path(member.name).name == CLIP_NAME:
                    with target.open("wb") as file:
                        shutil.copyfileobj(content, file)
                    break
            else:
                raise FileNotFoundError(f"the package has no {CLIP_NAME}")
        unpacking.kill()


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(  # noqa: S603 - our own words only.
        command, cwd=folder, check=True, capture_output=True, timeout=_APT_TIMEOUT_S
    )


def _reason(error: Exception) -> str:
    """Return one line that says what went wrong."""
    if isinstance(error, subprocess.CalledProcessError):
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"apt-get ended with {error.returncode}"
    return str(error)
