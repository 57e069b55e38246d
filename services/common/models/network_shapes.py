"""Guess from the shapes of an ONNX network what it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime

from services.common.errors import InvalidInput
from services.common.models.entries import DetectorHead, TensorLayout

Shape = tuple[int | str | None, ...]
"""Sides of a tensor; a text or None where any is taken."""

_STRIDES_PX = (8, 16, 32)
_BOX, _END_TO_END, _MOVENET = 4, 6, 56
_LARGEST_CHANNELS = 4


@dataclass(frozen=True, slots=True)
class NetworkShapes:
    """Inputs and outputs of a network.

    Attributes:
        inputs: Shapes by name.
        outputs: Shapes by name.
    """

    inputs: dict[str, Shape]
    outputs: dict[str, Shape]

    @property
    def picture(self) -> Shape:
        """Shape of the input that takes pictures; empty when there is none."""
        return next((s for s in self.inputs.values() if len(s) == 4), ())

    @property
    def layout(self) -> TensorLayout | None:
        """Order of the axes; None when it cannot be told."""
        if len(self.picture) != 4:
            return None
        if self.picture[1] == 3:
            return TensorLayout.NCHW
        return TensorLayout.NHWC if self.picture[3] == 3 else None

    @property
    def size_px(self) -> tuple[int, int] | None:
        """Width and height of a picture; None when the network leaves them open."""
        if self.layout is None:
            return None
        first = 2 if self.layout is TensorLayout.NCHW else 1
        height, width = self.picture[first : first + 2]
        if isinstance(width, int) and isinstance(height, int):
            return width, height
        return None

    @property
    def vector_length(self) -> int | None:
        """Length of the vector that it answers; None when it answers something else."""
        if len(self.outputs) != 1:
            return None
        (shape,) = self.outputs.values()
        sides = [side for side in shape[1:] if side != 1]
        return sides[0] if len(sides) == 1 and isinstance(sides[0], int) else None


def read_shapes(path: Path) -> NetworkShapes:
    """Return the shapes of a network in a file.

    Raises:
        InvalidInput: ONNX Runtime cannot read it.
    """
    try:
        session = onnxruntime.InferenceSession(
            str(path), providers=["CPUExecutionProvider"]
        )
    # ONNX Runtime raises classes that it does not export, all of them Exception's.
    except Exception as error:
        raise InvalidInput(
            f"is no network that can be run: {error}", field=str(path)
        ) from error
    return NetworkShapes(_shapes(session.get_inputs()), _shapes(session.get_outputs()))


def guess_head(shapes: NetworkShapes) -> DetectorHead | None:
    """Return the family whose exports have such outputs; None when none has."""
    names = set(shapes.outputs)
    if names >= {"dets", "labels"}:
        return DetectorHead.RFDETR
    if names >= {"logits", "pred_boxes"} or names >= {"labels", "boxes", "scores"}:
        return DetectorHead.RTDETR
    tables = [shape[1:] for shape in shapes.outputs.values() if len(shape) == 3]
    if len(tables) != 1:
        return None
    rows, columns = tables[0]
    return _by_table(rows, columns, _cells(shapes))


def _by_table(
    rows: int | str | None, columns: int | str | None, cells: int | None
) -> DetectorHead | None:
    """Return the family whose table of boxes has this many rows and columns."""
    if columns == _MOVENET:
        return DetectorHead.MOVENET
    if columns == _END_TO_END:
        return DetectorHead.YOLO
    if cells is None:
        return None
    if rows == cells:
        return DetectorHead.YOLOX
    if cells in (columns, rows) or rows == 3 * cells:
        return DetectorHead.YOLO
    return None


def _cells(shapes: NetworkShapes) -> int | None:
    """Return how many cells the usual three grids have together."""
    if shapes.size_px is None:
        return None
    width, height = shapes.size_px
    return sum((width // stride) * (height // stride) for stride in _STRIDES_PX)


def _shapes(nodes: Any) -> dict[str, Shape]:
    """Return names and shapes of inputs or outputs."""
    return {node.name: tuple(node.shape) for node in nodes}
