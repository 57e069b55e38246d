"""Prepare the input of YOLO as Ultralytics exports it, and read its output.

The exports answer one of three layouts, in pixels of the input (Ultralytics,
`docs/en/modes/export.md`, and yolov5 pull request 3456):

- v8, v9, v11, v12: (4 + classes, cells), centre and size, then class probabilities;
- v5: (3 cells, 5 + classes), three anchors a cell, an objectness before the classes;
- v10, v26, and any with `nms=True`: (people, 6), corners, score, class; nothing is
  left to suppress.

Networks that segment answer masks in a second output of more axes, and their
coefficients behind the classes; neither is read.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.detections import MAX_PEOPLE, Detections, suppress
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

_SCALE = 1 / 255
PREPARATION = Preparation(Fit.LETTERBOX, scale=(_SCALE, _SCALE, _SCALE))

_STRIDES_PX = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32))
_ANCHORS = 3
_END_TO_END_COLUMNS = 6


def recognise(shapes: Shapes, reading: Reading) -> Decode:
    """Return what reads the layout that the shapes tell.

    The number of cells follows from the size of the input, so a v5 of one class and an
    end-to-end output, both of six columns, are told apart.

    Raises:
        UnknownLayout: The outputs are others.
    """
    tables = [shape for shape in shapes.values() if len(shape) == 2]
    counts = _cell_counts(reading.input_size)
    if len(tables) == 1:
        rows, columns = tables[0]
        if columns in counts and rows >= 5 + reading.person_class:
            return decode_anchor_free
        if rows in {_ANCHORS * n for n in counts}:
            if columns >= 6 + reading.person_class:
                return decode_anchored
        elif columns == _END_TO_END_COLUMNS:
            return decode_end_to_end
    cells = counts[0]
    raise UnknownLayout(
        f"one output (4 + classes, {cells}), ({_ANCHORS * cells}, 5 + classes) "
        f"or (people, 6), with class {reading.person_class} among the classes"
    )


def _cell_counts(size: Size) -> list[int]:
    """Return how many cells the grids of each variant have together."""
    return [
        sum(-(-size.width // s) * -(-size.height // s) for s in strides)
        for strides in _STRIDES_PX
    ]


def _table(outputs: Outputs) -> NDArray[Any]:
    """Return the output that tells boxes."""
    (table,) = (output for output in outputs.values() if output.ndim == 2)
    return table


def decode_anchor_free(outputs: Outputs, reading: Reading) -> Detections:
    """Return the people of a v8: shape (4 + classes, cells).

    Raises:
        NotFinite: The network answered NaN or infinity.
    """
    output = _table(outputs)
    scores = output[4 + reading.person_class]
    found = likely(scores, reading.least_score)
    return suppress(people(corners(output[:4, found].T), scores[found]))


def decode_anchored(outputs: Outputs, reading: Reading) -> Detections:
    """Return the people of a v5: shape (3 cells, 5 + classes).

    Raises:
        NotFinite: The network answered NaN or infinity.
    """
    output = _table(outputs)
    scores = confidence(output[:, 4], output[:, 5 + reading.person_class])
    found = likely(scores, reading.least_score)
    return suppress(people(corners(output[found, :4]), scores[found]))


def decode_end_to_end(outputs: Outputs, reading: Reading) -> Detections:
    """Return the people of a v10: shape (people, 6), already suppressed.

    Raises:
        NotFinite: The network answered NaN or infinity.
    """
    output = _table(outputs)
    found = likely(output[:, 4], reading.least_score)
    found = found[np.rint(output[found, 5]) == reading.person_class]
    best = people(output[found, :4], output[found, 4]).best_first()
    return best.take(slice(MAX_PEOPLE))
