"""What the table of models says, as values that cannot hold nonsense.

The field at fault is named by every InvalidInput raised here; `reading` puts the file
and the entry before it.
"""

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from services.common.errors import InvalidInput
from services.common.ids import ModelId

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class PixelOrder(StrEnum):
    """Order of the colour samples that a model reads."""

    RGB = "rgb"
    BGR = "bgr"


class TensorLayout(StrEnum):
    """Order of the axes that a model reads."""

    NCHW = "nchw"
    NHWC = "nhwc"


class DetectorBackend(StrEnum):
    """What runs a detector."""

    ONNX = "onnx"
    LITERT = "litert"
    TRANSFORMERS = "transformers"


class DetectorHead(StrEnum):
    """Family of a detector: how its input is prepared and its output read."""

    MOVENET = "movenet"
    YOLOX = "yolox"
    YOLO = "yolo"
    RTDETR = "rtdetr"
    RFDETR = "rfdetr"


class EmbedderBackend(StrEnum):
    """What runs an embedder."""

    ONNX = "onnx"
    CLIP = "clip"
    STRIPES = "stripes"


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file on the web or in an object store.

    Attributes:
        url: `https://…` or `s3://bucket/key`; `http://…` on this machine only.
    """

    url: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme == "https" and parts.hostname:
            return
        if parts.scheme == "s3" and parts.netloc and parts.path.strip("/"):
            return
        if parts.scheme == "http" and is_loopback(parts.hostname):
            return
        raise InvalidInput(
            "must be https://… or s3://bucket/key (http:// only to this machine), "
            f"not {self.url!r}",
            field="url",
        )


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A file inside a Python wheel, which is downloaded without its dependencies.

    Attributes:
        wheel: The wheel, pinned, such as `name==1.0`.
        sha256: Hash of the wheel, hexadecimal.
        members: Name inside the wheel; each further name lies inside the zip file
            that the name before it leads to.
    """

    wheel: str
    sha256: str
    members: tuple[str, ...]

    def __post_init__(self) -> None:
        _require(
            re.fullmatch(r"[\w.-]+==[\w.!+-]+", self.wheel),
            f"must be pinned, as in name==1.0, not {self.wheel!r}",
            field="wheel",
        )
        _require_sha256(self.sha256)
        _require(self.members, "must name a file in the wheel", field="members")


Source = UrlSource | WheelSource


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of weights, or of what belongs to them.

    Attributes:
        name: File name. The only file of a model lies under this name in
            `SPOTON_MODEL_DIR` and in the cache; several lie in a folder there that
            has the model's name.
        sha256: Hash, hexadecimal. A file with another hash is refused.
        sources: Where it can be fetched, tried in order. Empty when it has to be
            in `SPOTON_MODEL_DIR`.
        size_bytes: Its size; None when the registry does not say. No more than that
            is downloaded.
    """

    name: str
    sha256: str
    sources: tuple[Source, ...] = ()
    size_bytes: int | None = None

    def __post_init__(self) -> None:
        _require_name(self.name, field="name")
        _require_sha256(self.sha256)
        if self.size_bytes is not None:
            _require(self.size_bytes > 0, "must be above 0", field="size_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorEntry:
    """A model that finds people.

    Attributes:
        model_id: Name in the registry.
        backend: Runtime that runs it.
        head: Family, which tells how to prepare its input and to read its output.
        licence: SPDX name, with a remark on the training data where it matters.
        origin: Who made it.
        files: Its weights; several are in one folder.
        input_width_px: Largest width that it reads.
        input_height_px: Largest height that it reads.
        pixel_order: Samples that it reads without conversion.
        person_class: Index of the class "person" among its classes.
        tile_columns: Tiles across.
        tile_rows: Tiles down.
        tile_overlap: Part of a tile's side shared with its neighbour, [0, 0.5].
        max_people_per_tile: People that one pass can find; 0 means no limit.
        has_keypoints: Whether it finds body parts too.
        high_score: Scores from here on are people with few exceptions, [0, 1].
        low_score: Scores below are noise, [0, high_score].
        measured: Whether tiles and scores were measured by SpotOn; otherwise they are
            those that are customary for the family.
    """

    model_id: ModelId
    backend: DetectorBackend
    head: DetectorHead
    licence: str
    origin: str
    files: tuple[ModelFile, ...]
    input_width_px: int
    input_height_px: int
    pixel_order: PixelOrder
    person_class: int = 0
    tile_columns: int = 1
    tile_rows: int = 1
    tile_overlap: float = 0.2
    max_people_per_tile: int = 0
    has_keypoints: bool = False
    high_score: float
    low_score: float
    measured: bool = False

    def __post_init__(self) -> None:
        _require_name(self.model_id, field="model_id")
        _require_files(self.files, self.backend)
        for field in ("input_width_px", "input_height_px", "tile_columns", "tile_rows"):
            _require(getattr(self, field) > 0, "must be above 0", field=field)
        for field in ("person_class", "max_people_per_tile"):
            _require(getattr(self, field) >= 0, "must be at least 0", field=field)
        _require_within(self.tile_overlap, 0.0, 0.5, field="tile_overlap")
        _require_within(self.high_score, 0.0, 1.0, field="high_score")
        _require_within(self.low_score, 0.0, self.high_score, field="low_score")


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

    def __post_init__(self) -> None:
        for field in ("width_px", "height_px"):
            _require(getattr(self, field) > 0, "must be above 0", field=field)
        _require(min(self.deviation) > 0, "must be above 0", field="deviation")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderEntry:
    """A model that describes what a person looks like.

    Attributes:
        model_id: Name in the registry, carried by every vector.
        backend: Runtime that runs it.
        licence: SPDX name, with a remark on the training data where it matters.
        origin: Who made it.
        files: Its weights; several are in one folder; empty when it has none.
        input: What the network reads; None when there is no network.
        dimensions: Length of its vectors.
        match_similarity: Cosine similarity from which two crops of different
            cameras show the same person more often than not, [-1, 1].
        measured: Whether `match_similarity` was measured by SpotOn; otherwise it is
            a guess.
    """

    model_id: ModelId
    backend: EmbedderBackend
    licence: str
    origin: str
    files: tuple[ModelFile, ...] = ()
    input: EmbedderInput | None = None
    dimensions: int
    match_similarity: float
    measured: bool = False

    def __post_init__(self) -> None:
        _require_name(self.model_id, field="model_id")
        if self.backend is not EmbedderBackend.STRIPES:
            _require_files(self.files, self.backend)
        _require(self.dimensions > 0, "must be above 0", field="dimensions")
        _require_within(self.match_similarity, -1.0, 1.0, field="match_similarity")


ModelEntry = DetectorEntry | EmbedderEntry


def is_loopback(host: str | None) -> bool:
    """Tell whether a host of an address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _require(holds: object, message: str, *, field: str) -> None:
    """Raise InvalidInput unless something holds."""
    if not holds:
        raise InvalidInput(message, field=field)


def _require_within(value: float, least: float, most: float, *, field: str) -> None:
    """Raise InvalidInput unless a value lies in a closed range."""
    _require(
        least <= value <= most,
        f"must be from {least:g} to {most:g}, not {value:g}",
        field=field,
    )


def _require_name(name: str, *, field: str) -> None:
    """Raise InvalidInput unless a name can be that of a file."""
    _require(
        _NAME.fullmatch(name),
        f"must consist of letters, digits, '.', '_' and '-', not {name!r}",
        field=field,
    )


def _require_sha256(sha256: str) -> None:
    """Raise InvalidInput unless this is a hash."""
    _require(
        _SHA256.fullmatch(sha256),
        f"must be 64 hexadecimal digits in lower case, not {sha256!r}",
        field="sha256",
    )


def _require_files(files: tuple[ModelFile, ...], backend: str) -> None:
    """Raise InvalidInput unless there are files, each of a name of its own."""
    _require(files, f"must name one: the backend {backend} needs it", field="file")
    names = [file.name for file in files]
    _require(len(set(names)) == len(names), "must have different names", field="files")
