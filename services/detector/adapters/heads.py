"""The head of a loaded network: what reads its answers."""

from collections.abc import Mapping
from types import MappingProxyType

from services.common.broken_answers import BrokenAnswer
from services.common.models import DetectorEntry, DetectorHead
from services.detector.batching import Answer
from services.detector.domain import rfdetr, rtdetr, yolo, yolox
from services.detector.domain.geometry import Region, Size
from services.detector.domain.heads import (
    Decode,
    Fit,
    Head,
    NotFinite,
    Outputs,
    Reading,
    Shapes,
)
from services.detector.domain.tiles import RgbImage

HEADS: Mapping[DetectorHead, Head] = MappingProxyType(
    {
        DetectorHead.YOLOX: yolox,
        DetectorHead.YOLO: yolo,
        DetectorHead.RTDETR: rtdetr,
        DetectorHead.RFDETR: rfdetr,
    }
)
"""The heads of networks that answer arrays; MoveNet has a runtime of its own."""


class AnswerReader:
    """Reads what one network answers."""

    def __init__(self, entry: DetectorEntry, shapes: Shapes) -> None:
        """Recognise the network's layout.

        Args:
            entry: What the registry says about the network.
            shapes: Shapes of its outputs for one picture, by name.

        Raises:
            UnknownLayout: They are not those of its head.
        """
        head = HEADS[entry.head]
        self._model = entry.model_id
        self._reading = Reading(
            Size(entry.input_width_px, entry.input_height_px),
            entry.person_class,
            entry.low_score,
        )
        self._is_stretched = head.PREPARATION.fit is Fit.STRETCH
        self._decode: Decode = head.recognise(shapes, self._reading)

    def read(self, outputs: Outputs, pixels: RgbImage) -> Answer:
        """Return the people of one picture, in its pixels.

        Args:
            outputs: What the network answered for it.
            pixels: The picture.
        """
        height, width = pixels.shape[:2]
        try:
            found = self._decode(outputs, self._reading)
        except NotFinite:
            return BrokenAnswer(self._model)
        if self._is_stretched:
            found = found.to_frame(
                self._reading.input_size, Region(0, 0, width, height)
            )
        return found.inside(Size(width, height))
