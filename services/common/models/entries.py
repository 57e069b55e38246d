"""What the table of models says, as values that cannot hold nonsense.

The field at fault is named by every InvalidInput raised here; `reading` puts the file
and the entry before it.
"""

from dataclasses import dataclass
from enum import StrEnum

from services.common.ids import ModelId
from services.common.models.checks import require, require_name, require_within
from services.common.models.model_file import ModelFile


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
        require_name(self.model_id, field="model_id")
        _require_files(self.files, self.backend)
        for field in ("input_width_px", "input_height_px", "tile_columns", "tile_rows"):
            require(getattr(self, field) > 0, "must be above 0", field=field)
        for field in ("person_class", "max_people_per_tile"):
            require(getattr(self, field) >= 0, "must be at least 0", field=field)
        require_within(self.tile_overlap, 0.0, 0.5, field="tile_overlap")
        require_within(self.high_score, 0.0, 1.0, field="high_score")
        require_within(self.low_score, 0.0, self.high_score, field="low_score")


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
            require(getattr(self, field) > 0, "must be above 0", field=field)
        require(min(self.deviation) > 0, "must be above 0", field="deviation")


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
        require_name(self.model_id, field="model_id")
        if self.backend is not EmbedderBackend.STRIPES:
            _require_files(self.files, self.backend)
        require(self.dimensions > 0, "must be above 0", field="dimensions")
        require_within(self.match_similarity, -1.0, 1.0, field="match_similarity")


ModelEntry = DetectorEntry | EmbedderEntry


def _require_files(files: tuple[ModelFile, ...], backend: str) -> None:
    """Raise InvalidInput unless there are files, each of a name of its own."""
    require(files, f"must name one: the backend {backend} needs it", field="file")
    names = [file.name for file in files]
    require(len(set(names)) == len(names), "must have different names", field="files")
