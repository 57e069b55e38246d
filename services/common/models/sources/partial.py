"""What came of a file before its transfer was interrupted."""

import json
from pathlib import Path


class Partial:
    """The part of a file that is here, and which version it belongs to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._notes = path.with_name(f"{path.name}.json")

    @property
    def size_bytes(self) -> int:
        """Number of bytes that are here."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def validator(self) -> str | None:
        """The version that the bytes belong to; None when that is not known."""
        try:
            validator = json.loads(self._notes.read_text(encoding="utf-8"))["validator"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return validator if isinstance(validator, str) else None

    def restart(self, validator: str | None) -> None:
        """Forget the bytes; those to come belong to another version."""
        self.path.write_bytes(b"")
        notes = json.dumps({"validator": validator})
        self._notes.write_text(notes, encoding="utf-8")

    def discard(self) -> None:
        """Remove everything."""
        self.path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)
