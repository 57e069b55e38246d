"""Get the files that an environment runs on, from the first place that has them."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Say = Callable[[str], None]
"""Shows one line of progress, in place of the line before."""

Source = Callable[[Path, Say], None]
"""Writes the files into a folder, or raises MediaUnavailable."""


class MediaUnavailable(Exception):
    """The files cannot be had; the message says why."""


@dataclass(frozen=True, slots=True)
class Media:
    """Files that are fetched once and verified every time.

    Attributes:
        title: Name of them all, for people.
        hashes: SHA-256 of each, in hexadecimal, by path below the media folder.
        variable: Environment variable with the path of a copy of the user's own: the
            file, or a folder in which all of them are.
        sources: Where they are looked for after that, in order.
    """

    title: str
    hashes: Mapping[str, str]
    variable: str
    sources: Sequence[Source]

    def obtain(self, folder: Path, say: Say) -> None:
        """Make sure that a folder has the files, fetched if one is missing or wrong.

        Args:
            folder: Where they are kept, created when missing.
            say: Shows progress.

        Raises:
            MediaUnavailable: No source has them, with the reason of each.
        """
        if not self._wrong(folder):
            return
        folder.mkdir(parents=True, exist_ok=True)
        reasons = []
        for source in (self._copy, *self.sources):
            with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as name:
                try:
                    self._take(source, Path(name), folder, say)
                except MediaUnavailable as reason:
                    reasons.append(f"- {reason}")
                    continue
                return
        raise MediaUnavailable(
            f"{self.title} cannot be had:\n" + "\n".join(reasons) + "\n"
            f"Set {self.variable} to a copy. SHA-256:\n"
            + "\n".join(f"  {sha256}  {name}" for name, sha256 in self.hashes.items())
        )

    def _copy(self, folder: Path, say: Say) -> None:
        """Copy what the user has."""
        named = os.environ.get(self.variable)
        if not named:
            raise MediaUnavailable(f"{self.variable} is not set")
        say(f"copying {named}")
        try:
            for name in self.hashes:
                (folder / name).parent.mkdir(exist_ok=True)
                found = _named(Path(named).expanduser(), Path(name).name)
                shutil.copyfile(found, folder / name)
        except OSError as error:
            raise MediaUnavailable(f"{self.variable}: {error}") from error

    def _take(self, source: Source, fresh: Path, folder: Path, say: Say) -> None:
        """Move what a source has into the folder, once all of it is verified."""
        source(fresh, say)
        for name, found in self._wrong(fresh).items():
            what = f"another file, SHA-256 {found}" if found else "no such file"
            raise MediaUnavailable(f"a source of {name} has {what}")
        for name in self.hashes:
            kept = folder / name
            kept.parent.mkdir(parents=True, exist_ok=True)
            (fresh / name).replace(kept)

    def _wrong(self, folder: Path) -> dict[str, str | None]:
        """Return the files that are missing or different, with the hash found."""
        found = {name: sha256_of(folder / name) for name in self.hashes}
        return {name: one for name, one in found.items() if one != self.hashes[name]}


def sha256_of(path: Path) -> str | None:
    """Return the SHA-256 of a file, in hexadecimal; None if there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _named(own: Path, name: str) -> Path:
    """Return the file itself, or the one of this name anywhere below the folder."""
    if own.is_file():
        return own
    for found in sorted(own.rglob(name)):
        return found
    raise FileNotFoundError(f"there is no {name} in {own}")
