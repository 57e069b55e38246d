"""Passwords and keys of one stack: made at its first start, kept in one file."""

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Credentials:
    """Secrets of the stores, in a file of mode 0600 and never printed.

    Attributes:
        values: Secret by name, such as `postgres` or `s3-secret-key`.
    """

    values: dict[str, str]

    def __repr__(self) -> str:
        return f"Credentials({', '.join(sorted(self.values))})"

    def __getitem__(self, name: str) -> str:
        return self.values[name]


def load_or_create(path: Path, names: Sequence[str]) -> Credentials:
    """Read the secrets, and make those that are not there yet."""
    values = json.loads(path.read_text()) if path.exists() else {}
    missing = [name for name in names if name not in values]
    if missing:
        values |= {name: secrets.token_hex(24) for name in missing}
        _write_private(path, json.dumps(values, indent=2))
    return Credentials(values)


def _write_private(path: Path, text: str) -> None:
    """Replace a file at once by one that only its owner reads."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.replace(path)
