"""Prepare the input of RF-DETR and read its output.

Robinson et al., "RF-DETR: Neural Architecture Search for Real-Time Detection
Transformers", arXiv:2511.09554. The export (`rfdetr/deploy/export.py`) answers `dets`
(queries, 4), centre and size relative to the picture, and `labels`, the logits of each
class; a segmenting one answers masks too, which are not read. Weights trained on COCO
count its categories from 1, so that a person is class 1.
"""

from services.detector.domain.detections import Detections
from services.detector.domain.heads import (
    Decode,
    Fit,
    Outputs,
    Preparation,
    Reading,
    Shapes,
    UnknownLayout,
)
from services.detector.domain.rtdetr import decode_queries

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
PREPARATION = Preparation(
    Fit.STRETCH,
    scale=(1 / 255 / _DEVIATION[0], 1 / 255 / _DEVIATION[1], 1 / 255 / _DEVIATION[2]),
    offset=(
        -_MEAN[0] / _DEVIATION[0],
        -_MEAN[1] / _DEVIATION[1],
        -_MEAN[2] / _DEVIATION[2],
    ),
)


def recognise(shapes: Shapes, reading: Reading) -> Decode:
    """Return what reads the one layout that there is.

    Raises:
        UnknownLayout: The outputs are others.
    """
    boxes, logits = shapes.get("dets", ()), shapes.get("labels", ())
    if (
        len(logits) == 2
        and boxes == (logits[0], 4)
        and logits[1] > reading.person_class
    ):
        return decode
    raise UnknownLayout(
        "dets (n, 4) and labels (n, classes), with class "
        f"{reading.person_class} among the classes"
    )


def decode(outputs: Outputs, reading: Reading) -> Detections:
    """Return the people of dets and labels.

    Raises:
        NotFinite: The network answered NaN or infinity.
    """
    return decode_queries(outputs["dets"], outputs["labels"], reading)
