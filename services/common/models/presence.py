"""Tell which models are on this machine, and whether their files are right."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from services.common.models.entries import ModelEntry
from services.common.models.hashing import sha256_of
from services.common.models.locating import home_of


class Where(StrEnum):
    """Where a model's files are."""

    NOWHERE = "not here"
    NO_FILE = "needs no file"
    LOCAL = "local"
    CACHE = "cache"


@dataclass(frozen=True, slots=True)
class Presence:
    """What is here of a model.

    Attributes:
        where: The place whose files a service would use; where it would have to fetch
            some, the first that has any.
        hashes: Of each file that is there, the hash that it has, hexadecimal.
        wrong: The files there that are not the registry's.
        missing: Names of the files that are not there.
    """

    where: Where
    hashes: Mapping[Path, str]
    wrong: tuple[Path, ...]
    missing: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        """Whether all files are there, and the registry's."""
        return not (self.wrong or self.missing)


def presence_of(entry: ModelEntry, model_dir: Path | None, cache_dir: Path) -> Presence:
    """Look for a model's files, and hash those that are here."""
    if not entry.files:
        return Presence(Where.NO_FILE, {}, (), ())
    places = ((Where.LOCAL, model_dir), (Where.CACHE, cache_dir))
    seen = [
        _in_folder(entry, where, home_of(entry, folder))
        for where, folder in places
        if folder is not None
    ]
    # A folder of the user's that lacks a file is passed over for the cache.
    for found in (*(one for one in seen if not one.missing), *seen):
        if found.hashes:
            return found
    return Presence(Where.NOWHERE, {}, (), tuple(file.name for file in entry.files))


def _in_folder(entry: ModelEntry, where: Where, home: Path) -> Presence:
    """Look into one folder."""
    expected = {home / file.name: file.sha256 for file in entry.files}
    hashes = {path: sha256_of(path) for path in expected if path.is_file()}
    return Presence(
        where,
        hashes,
        tuple(path for path, sha256 in hashes.items() if sha256 != expected[path]),
        tuple(path.name for path in expected if path not in hashes),
    )
