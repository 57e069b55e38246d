"""YOLOX, run by ONNX Runtime on the CPU or on CUDA."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from services.common.errors import InvalidInput
from services.common.onnx_session import open_session
from services.detector.domain import yolox
from services.detector.domain.detections import Detections
from services.detector.domain.geometry import Size
from services.detector.domain.tiles import RgbImage

_ANY_BATCH = 64


class OnnxDetector:
    """Finds any number of people, without keypoints."""

    def __init__(
        self, path: Path, *, input_size: Size, least_score: float, device: str
    ) -> None:
        """Load the model.

        Args:
            path: The ONNX file.
            input_size: Size of its input.
            least_score: People below are left out, [0, 1].
            device: `cpu` or `cuda`.

        Raises:
            InvalidInput: The network reads another size.
            Unavailable: The device cannot be used.
        """
        self._session = open_session(path, device)
        network_input = self._session.get_inputs()[0]
        batch, _, height, width = network_input.shape
        fixed = [side for side in (width, height) if isinstance(side, int)]
        if fixed and fixed != [input_size.width, input_size.height]:
            raise InvalidInput(
                f"must be {fixed[0]} for this network", field="input_size"
            )
        self.input_size = input_size
        self.max_batch = batch if isinstance(batch, int) else _ANY_BATCH
        self._name = network_input.name
        self._least_score = least_score

    def detect(self, batch: Sequence[RgbImage]) -> Sequence[Detections]:
        """Return what each picture shows, in its own pixels."""
        tensor = np.stack([yolox.letterbox(p, self.input_size) for p in batch])
        (outputs,) = self._session.run(None, {self._name: tensor})
        return [
            self._read(output, pixels)
            for output, pixels in zip(outputs, batch, strict=True)
        ]

    def _read(self, output: Any, pixels: RgbImage) -> Detections:
        """Return the people of one output, without those in the padding."""
        height, width = pixels.shape[:2]
        found = yolox.decode(output, self.input_size, least_score=self._least_score)
        return found.inside(Size(width, height))
