"""Write the entry of a model of one's own, as far as its files tell."""

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from services.common.errors import InvalidInput
from services.common.models.entries import (
    DetectorBackend,
    DetectorHead,
    EmbedderBackend,
    PixelOrder,
    TensorLayout,
)
from services.common.models.hashing import sha256_of
from services.common.models.network_shapes import (
    NetworkShapes,
    guess_head,
    read_shapes,
)

_SCORES = {
    DetectorHead.MOVENET: (0.15, 0.1),
    DetectorHead.YOLOX: (0.5, 0.15),
    DetectorHead.YOLO: (0.5, 0.15),
    DetectorHead.RTDETR: (0.5, 0.2),
    DetectorHead.RFDETR: (0.5, 0.2),
}
_TORCH_HEADS = {"rt_detr": DetectorHead.RTDETR, "rt_detr_v2": DetectorHead.RTDETR}
_CLIP_TYPES = ("clip", "clip_vision_model")
_TO_FILL_IN = "# To fill in: "


class Kind(StrEnum):
    """What a model is for."""

    DETECTOR = "detector"
    EMBEDDER = "embedder"


def describe(path: Path, kind: Kind | None = None) -> str:
    """Return the entry of a model in TOML; what cannot be told is marked.

    Args:
        path: An ONNX file, a TFLite file, or a folder of transformers.
        kind: What it is for; absent means what its outputs look like.

    Raises:
        InvalidInput: The path holds no model of these.
    """
    if path.is_dir():
        lines = _folder(path, kind)
    elif not path.is_file():
        raise InvalidInput("does not exist", field=str(path))
    elif path.suffix == ".onnx":
        lines = _onnx(path, kind)
    elif path.suffix == ".tflite":
        lines = _litert(path, kind)
    else:
        message = "must be an .onnx or .tflite file, or a folder of transformers"
        raise InvalidInput(message, field=str(path))
    return "\n".join(lines) + "\n"


def _onnx(path: Path, kind: Kind | None) -> Iterator[str]:
    """Describe an ONNX network."""
    shapes = read_shapes(path)
    if kind is None:
        kind = Kind.EMBEDDER if shapes.vector_length else Kind.DETECTOR
    yield f"# Inputs {shapes.inputs}, outputs {shapes.outputs}."
    if kind is Kind.EMBEDDER:
        yield from _head_lines(path, kind, EmbedderBackend.ONNX)
        yield from _embedder_lines(shapes)
        yield from _file_lines(path)
        yield from _input_lines(path, shapes)
    else:
        yield from _head_lines(path, kind, DetectorBackend.ONNX)
        yield from _detector_lines(guess_head(shapes), shapes.size_px)
        yield from _file_lines(path)


def _litert(path: Path, kind: Kind | None) -> Iterator[str]:
    """Describe a TFLite network: MoveNet is the only one that is run."""
    if kind is Kind.EMBEDDER:
        raise InvalidInput("TFLite files are detectors only", field="kind")
    yield from _head_lines(path, Kind.DETECTOR, DetectorBackend.LITERT)
    yield from _detector_lines(DetectorHead.MOVENET, None)
    yield from _file_lines(path)


def _folder(path: Path, kind: Kind | None) -> Iterator[str]:
    """Describe a folder of transformers by its config.json."""
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        model_type = str(config["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"has no config.json that names a model_type: {error}"
        raise InvalidInput(message, field=str(path)) from error
    if kind is Kind.EMBEDDER or (kind is None and model_type in _CLIP_TYPES):
        yield from _head_lines(path, Kind.EMBEDDER, EmbedderBackend.CLIP)
        length = config.get("projection_dim")
        yield f"dimensions = {length}" if length else f"{_TO_FILL_IN}dimensions"
        yield from _similarity_lines()
    else:
        yield from _head_lines(path, Kind.DETECTOR, DetectorBackend.TRANSFORMERS)
        yield from _detector_lines(_TORCH_HEADS.get(model_type), None)
    for file in sorted(path.iterdir()):
        if file.is_file() and not file.name.startswith("."):
            yield from _file_lines(file, f"[[{_name(path)}.files]]")


def _head_lines(path: Path, kind: Kind, backend: StrEnum) -> Iterator[str]:
    """Say what every entry says first."""
    yield f"[{_name(path)}]"
    yield f'kind = "{kind}"'
    yield f'backend = "{backend}"'
    yield f'licence = "unknown"  {_TO_FILL_IN}its licence'
    yield f'origin = "unknown"  {_TO_FILL_IN}who made it'


def _detector_lines(
    head: DetectorHead | None, size_px: tuple[int, int] | None
) -> Iterator[str]:
    """Say what is known of a detector."""
    if head is None:
        known = ", ".join(DetectorHead)
        yield f"{_TO_FILL_IN}the outputs do not tell the head; it is one of {known}"
        yield 'head = ""'
    else:
        yield f'head = "{head}"'
    if size_px is None:
        yield f"{_TO_FILL_IN}the network takes any size; say which"
    width, height = size_px or (0, 0)
    yield f"input_width_px = {width}"
    yield f"input_height_px = {height}"
    order = PixelOrder.BGR if head is DetectorHead.YOLOX else PixelOrder.RGB
    yield f'pixel_order = "{order}"'
    if head is DetectorHead.RFDETR:
        yield "# COCO's categories from 1; 0 where the classes are one's own."
        yield "person_class = 1"
    yield "# Customary for the family; measure them on your cameras."
    high, low = _SCORES.get(head, (0.5, 0.2)) if head else (0.5, 0.2)
    yield f"high_score = {high}"
    yield f"low_score = {low}"


def _embedder_lines(shapes: NetworkShapes) -> Iterator[str]:
    """Say what is known of an embedder in ONNX."""
    if shapes.vector_length is None:
        yield f"{_TO_FILL_IN}the outputs do not tell the length of a vector"
    yield f"dimensions = {shapes.vector_length or 0}"
    yield from _similarity_lines()


def _similarity_lines() -> Iterator[str]:
    """Say from where on two crops match."""
    yield "# A guess; measure it on your cameras."
    yield "match_similarity = 0.55"


def _input_lines(path: Path, shapes: NetworkShapes) -> Iterator[str]:
    """Say what an embedding network reads."""
    yield ""
    yield f"[{_name(path)}.input]"
    if shapes.size_px is None:
        yield f"{_TO_FILL_IN}the network takes any size; say which"
    width, height = shapes.size_px or (0, 0)
    yield f"width_px = {width}"
    yield f"height_px = {height}"
    yield f'layout = "{shapes.layout or TensorLayout.NCHW}"'
    yield "# Customary for networks that began with ImageNet; the shapes do not tell."
    yield 'pixel_order = "rgb"'
    yield "mean = [123.675, 116.28, 103.53]"
    yield "deviation = [58.395, 57.12, 57.375]"


def _file_lines(path: Path, title: str | None = None) -> Iterator[str]:
    """Say which file it is."""
    yield ""
    yield title or f"[{_name(path)}.file]"
    yield f"name = {json.dumps(path.name)}"
    yield f'sha256 = "{sha256_of(path)}"'
    yield f"size_bytes = {path.stat().st_size}"


def _name(path: Path) -> str:
    """Return a name that a table can have."""
    stem = path.name if path.is_dir() else path.stem
    kept = (c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in stem)
    return "".join(kept).strip("-_").lower() or "model"
