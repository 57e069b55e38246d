"""Prepare the input of YOLOX and read its output.

Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv:2107.08430. The network is
free of anchors: each cell of three grids predicts one box relative to itself. The
export is that of Megvii's `tools/export_onnx.py` without `--decode_in_inference`.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.detections import Detections, suppress
from services.detector.domain.geometry import Size
from services.detector.domain.heads import (
    Decode,
    Fit,
    Outputs,
    Preparation,
    Reading,
    Shapes,
    UnknownLayout,
    confidence,
    corners,
    likely,
    people,
)

PREPARATION = Preparation(Fit.LETTERBOX)
STRIDES_PX = (8, 16, 32)


def recognise(shapes: Shapes, reading: Reading) -> Decode:
    """Return what reads the one layout that there is.

    Raises:
        UnknownLayout: The outputs are others.
    """
    cells = len(_grids(reading.input_size)[0])
    least = 6 + reading.person_class
    found = list(shapes.values())
    if len(found) != 1 or len(found[0]) != 2:
        raise _unknown(cells, least)
    rows, columns = found[0]
    if rows != cells or columns < least:
        raise _unknown(cells, least)
    return decode


def _unknown(cells: int, least: int) -> UnknownLayout:
    return UnknownLayout(
        f"one output ({cells}, 5 + classes), with at least {least} columns"
    )


def decode(outputs: Outputs, reading: Reading) -> Detections:
    """Return the people in one output.

    A cell at (i, j) of a grid with stride s predicts the centre (s (i + x), s (j + y))
    and the size (s exp w, s exp h).

    Args:
        outputs: One, shape (cells, 5 + classes): x, y, w, h, objectness, then the
            probability of each class.
        reading: What is looked for.

    Raises:
        NotFinite: The network answered NaN or infinity.
    """
    (output,) = outputs.values()
    scores = confidence(output[:, 4], output[:, 5 + reading.person_class])
    found = likely(scores, reading.least_score)
    rows = output[found, :4].astype(np.float32)
    cells, strides = _grids(reading.input_size)
    # What overflows is infinite, which `people` refuses.
    with np.errstate(over="ignore"):
        sizes = np.exp(rows[:, 2:])
    centred = np.concatenate([rows[:, :2] + cells[found], sizes], axis=1)
    return suppress(people(corners(centred * strides[found]), scores[found]))


@functools.cache
def _grids(input_size: Size) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return each cell's column and row, shape (cells, 2), and its stride, (cells, 1).

    Cells are in the order of the output: by stride, then row by row.
    """
    cells, strides = [], []
    for stride in STRIDES_PX:
        rows, columns = input_size.height // stride, input_size.width // stride
        y, x = np.mgrid[:rows, :columns]
        cells.append(np.stack([x, y], axis=-1).reshape(-1, 2))
        strides.append(np.full((rows * columns, 1), stride))
    return (
        np.concatenate(cells).astype(np.float32),
        np.concatenate(strides).astype(np.float32),
    )
