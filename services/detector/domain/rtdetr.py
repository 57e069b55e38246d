"""Prepare the input of RT-DETR and read its output.

Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", arXiv:2304.08069. Each
of 300 queries answers one box; there is nothing to suppress. One meets three exports:

- the authors' (`rtdetrv2_pytorch/tools/export_onnx.py`): inputs `images` and
  `orig_target_sizes` (width, height), outputs `labels`, `boxes` in pixels of that
  size, and `scores`;
- Hugging Face's: `logits` and `pred_boxes`, centre and size relative to the picture;
- Ultralytics' (`models/rtdetr/predict.py`): (300, 4 + classes), the same boxes with
  class probabilities behind them.
"""

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.detections import MAX_PEOPLE, Detections
from services.detector.domain.heads import (
    Decode,
    Fit,
    Outputs,
    Preparation,
    Reading,
    Shapes,
    UnknownLayout,
    corners,
    likely,
    people,
    sigmoid,
)

_SCALE = 1 / 255
PREPARATION = Preparation(Fit.STRETCH, scale=(_SCALE, _SCALE, _SCALE))

TARGET_SIZES = "orig_target_sizes"
"""Input of the authors' export: the size of each picture, int64, (N, 2)."""

_AUTHORS = {"labels", "boxes", "scores"}
_HUGGING_FACE = {"logits", "pred_boxes"}


def recognise(shapes: Shapes, reading: Reading) -> Decode:
    """Return what reads the export that names and shapes tell.

    Raises:
        UnknownLayout: The outputs are others.
    """
    if shapes.keys() >= _AUTHORS and shapes["boxes"] == (*shapes["scores"], 4):
        return decode_authors
    if shapes.keys() >= _HUGGING_FACE and _fit(
        shapes["pred_boxes"], shapes["logits"], reading
    ):
        return decode_hugging_face
    if len(shapes) == 1:
        (shape,) = shapes.values()
        if len(shape) == 2 and shape[1] >= 5 + reading.person_class:
            return decode_ultralytics
    raise UnknownLayout(
        "labels (n), boxes (n, 4) and scores (n), or logits (n, classes) and "
        "pred_boxes (n, 4), or one output (n, 4 + classes), with class "
        f"{reading.person_class} among the classes"
    )


def _fit(boxes: tuple[int, ...], logits: tuple[int, ...], reading: Reading) -> bool:
    """Return whether boxes and class logits belong to the same queries."""
    return (
        len(logits) == 2
        and boxes == (logits[0], 4)
        and logits[1] > reading.person_class
    )


def decode_authors(outputs: Outputs, reading: Reading) -> Detections:
    """Return the people of labels (n), boxes (n, 4) in pixels, and scores (n).

    Raises:
        NotFinite: The network answered NaN or infinity.
    """
    scores = outputs["scores"]
    found = likely(scores, reading.least_score)
    found = found[outputs["labels"][found] == reading.person_class]
    return _best(people(outputs["boxes"][found], scores[found]))


def decode_hugging_face(outputs: Outputs, reading: Reading) -> Detections:
    """Return the people of logits (n, classes) and pred_boxes (n, 4).

    Raises:
        NotFinite: The network answered NaN or infinity.
    """
    return decode_queries(outputs["pred_boxes"], outputs["logits"], reading)


def decode_ultralytics(outputs: Outputs, reading: Reading) -> Detections:
    """Return the people of one output (n, 4 + classes).

    Raises:
        NotFinite: The network answered NaN or infinity.
    """
    (output,) = outputs.values()
    scores = output[:, 4 + reading.person_class]
    return _queries(output[:, :4], scores, reading)


def decode_queries(
    boxes: NDArray[np.floating],
    logits: NDArray[np.floating],
    reading: Reading,
) -> Detections:
    """Return the people of boxes relative to the picture, and class logits.

    Args:
        boxes: Shape (n, 4): centre x, centre y, width, height, in [0, 1].
        logits: Shape (n, classes).
        reading: What is looked for.

    Raises:
        NotFinite: The network answered NaN or infinity.
    """
    scores = sigmoid(logits[:, reading.person_class])
    return _queries(boxes, scores, reading)


def _queries(
    boxes: NDArray[np.floating],
    scores: NDArray[np.floating],
    reading: Reading,
) -> Detections:
    """Return the likely people in pixels of the input."""
    found = likely(scores, reading.least_score)
    size = reading.input_size
    extent = np.array([size.width, size.height] * 2, np.float32)
    return _best(people(corners(boxes[found]) * extent, scores[found]))


def _best(found: Detections) -> Detections:
    """Return as many as are looked at, the highest score first."""
    return found.best_first().take(slice(MAX_PEOPLE))
