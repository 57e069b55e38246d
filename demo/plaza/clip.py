"""The recording of the plaza, and where it can be had."""

import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from demo.media import Media, MediaUnavailable, Say

CLIP_NAME = "vtest.avi"
_ADDRESS = (
    f"https://raw.githubusercontent.com/opencv/opencv/4.x/samples/data/{CLIP_NAME}"
)
_PACKAGE = "opencv-doc"
_CONNECT_TIMEOUT_S = 5.0
_APT_TIMEOUT_S = 300.0
_CHUNK_BYTES = 1 << 21


def from_repository(folder: Path, say: Say) -> None:
    """Download the clip from OpenCV's repository of samples."""
    say("asking OpenCV's repository")
    try:
        with (
            urllib.request.urlopen(_ADDRESS, timeout=_CONNECT_TIMEOUT_S) as answer,
            (folder / CLIP_NAME).open("wb") as file,
        ):
            while chunk := answer.read(_CHUNK_BYTES):
                file.write(chunk)
                say(f"downloading {CLIP_NAME}, {file.tell() / 1e6:.0f} MB")
    except (OSError, urllib.error.URLError) as error:
        raise MediaUnavailable(f"OpenCV's repository: {error}") from error


def from_debian_package(folder: Path, say: Say) -> None:
    """Download Debian's package of OpenCV's samples and take the clip out of it.

    Nothing is installed. Works as an ordinary user; package lists that are missing
    are fetched into a folder of our own.
    """
    with tempfile.TemporaryDirectory(prefix="spoton-clip-") as name:
        try:
            package = _download_package(Path(name), say)
            say(f"unpacking {CLIP_NAME}")
            _take_out(package, folder / CLIP_NAME)
        except (OSError, subprocess.SubprocessError, tarfile.TarError) as error:
            raise MediaUnavailable(f"Debian's {_PACKAGE}: {_reason(error)}") from error


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


CLIP = Media(
    title=f"The recording {CLIP_NAME}",
    hashes={
        CLIP_NAME: "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf"
    },
    variable="SPOTON_DEMO_CLIP",
    sources=(from_repository, from_debian_package),
)
"""View 1 of PETS2009, as OpenCV ships it."""
