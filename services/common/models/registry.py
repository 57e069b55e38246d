"""The table of models, `models.toml`, and the user's own beside it."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.common.errors import InvalidInput, NotFound
from services.common.models.entries import DetectorEntry, EmbedderEntry, ModelEntry
from services.common.models.reading import read

SHIPPED_FILE = Path(__file__).with_name("models.toml")

_KINDS: dict[str, type[ModelEntry]] = {
    "detector": DetectorEntry,
    "embedder": EmbedderEntry,
}


@dataclass(frozen=True, slots=True)
class Registry:
    """Every known model.

    Attributes:
        entries: The models by name.
    """

    entries: Mapping[str, ModelEntry]

    def detector(self, name: str) -> DetectorEntry:
        """Return the detector called `name`.

        Raises:
            NotFound: There is none; the message lists those that exist.
        """
        entry = self.entries.get(name)
        if not isinstance(entry, DetectorEntry):
            raise NotFound(self._nothing(name, DetectorEntry))
        return entry

    def embedder(self, name: str) -> EmbedderEntry:
        """Return the embedder called `name`.

        Raises:
            NotFound: There is none; the message lists those that exist.
        """
        entry = self.entries.get(name)
        if not isinstance(entry, EmbedderEntry):
            raise NotFound(self._nothing(name, EmbedderEntry))
        return entry

    def _nothing(self, name: str, kind: type[ModelEntry]) -> str:
        """Return the sentence that says what exists instead of `name`."""
        known = sorted(
            key for key, entry in self.entries.items() if isinstance(entry, kind)
        )
        return f"no such model: {name!r}; known are {', '.join(known)}"


def user_registry_file() -> Path | None:
    """Return the table of the user's own models, SPOTON_MODEL_REGISTRY."""
    file = os.environ.get("SPOTON_MODEL_REGISTRY")
    return Path(file) if file else None


def load_registry(user_file: Path | None = None) -> Registry:
    """Return the models that are shipped, and the user's own.

    Args:
        user_file: Table of the user's models; absent means SPOTON_MODEL_REGISTRY.

    Raises:
        InvalidInput: A table cannot be read, an entry of it lacks something or says
            something unknown, or two say different things of one name. The error
            names file, entry and field.
    """
    entries = read_entries(SHIPPED_FILE)
    user_file = user_file or user_registry_file()
    if user_file is not None:
        for name, entry in read_entries(user_file).items():
            if name in entries:
                message = (
                    f"is a model of SpotOn; choose another name, such as my-{name}"
                )
                raise InvalidInput(message, field=f"{user_file}: {name}")
            entries[name] = entry
        _require_names_of_their_own(user_file, entries)
    return Registry(entries)


def read_entries(path: Path) -> dict[str, ModelEntry]:
    """Return the models of one table.

    Raises:
        InvalidInput: The table cannot be read, or an entry of it is wrong.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"cannot be read: {error}", field=str(path)) from error
    return {
        name: _entry(name, table, f"{path}: {name}") for name, table in tables.items()
    }


def _entry(name: str, table: Any, where: str) -> ModelEntry:
    """Return one model; its name and kind tell what the rest is."""
    if not isinstance(table, dict):
        raise InvalidInput("must be a table that describes a model", field=where)
    if "model_id" in table:
        message = "is unknown; the name of the table is the model's"
        raise InvalidInput(message, field=f"{where}.model_id")
    facts = dict(table)
    kind = facts.pop("kind", None)
    if kind not in _KINDS:
        known = " or ".join(_KINDS)
        raise InvalidInput(f"must be {known}, not {kind!r}", field=f"{where}.kind")
    if "file" in facts:
        if "files" in facts:
            raise InvalidInput(
                "excludes files; give one of both", field=f"{where}.file"
            )
        facts["files"] = [facts.pop("file")]
    if kind == "detector":
        facts.setdefault("files", [])
    return read(_KINDS[kind], {**facts, "model_id": name}, where)


def _require_names_of_their_own(path: Path, entries: Mapping[str, ModelEntry]) -> None:
    """Raise InvalidInput if one file name in the cache stands for two files."""
    hashes: dict[str, str] = {}
    for name, entry in entries.items():
        if len(entry.files) != 1:
            continue
        (file,) = entry.files
        if hashes.setdefault(file.name, file.sha256) != file.sha256:
            raise InvalidInput(
                f"{file.name} is another model's file too, with another hash",
                field=f"{path}: {name}.file.name",
            )
