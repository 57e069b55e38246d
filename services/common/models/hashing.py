"""Tell a model's file from any other."""

import hashlib
from pathlib import Path


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


def sha256_of(path: Path) -> str:
    """Return the hash of a file, hexadecimal."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def verify(path: Path, sha256: str) -> Path:
    """Return `path` if the file there has this hash.

    Raises:
        WrongHash: It has another one.
    """
    actual = sha256_of(path)
    if actual != sha256:
        raise WrongHash(path, sha256, actual)
    return path
