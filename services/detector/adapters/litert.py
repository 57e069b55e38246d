"""MoveNet MultiPose, run by LiteRT on the CPU."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from services.common.broken_answers import BrokenAnswer
from services.common.devices import UnusableModel
from services.common.errors import InvalidInput
from services.common.ids import ModelId
from services.detector.batching import Answer
from services.detector.domain import movenet
from services.detector.domain.geometry import Size
from services.detector.domain.heads import NotFinite
from services.detector.domain.tiles import RgbImage


class LiteRtDetector:
    """Finds at most six people a picture, with 17 keypoints each."""

    max_batch = 1

    def __init__(
        self,
        path: Path,
        model_id: ModelId,
        *,
        input_size: Size,
        least_score: float,
        threads: int,
    ) -> None:
        """Load the model, once for each thread.

        Args:
            path: The TFLite file.
            model_id: Name of the model.
            input_size: Largest input; its sides are multiples of 32.
            least_score: People below are left out, [0, 1].
            threads: Pictures at a time.

        Raises:
            InvalidInput: A side of the input is no multiple of 32.
            UnusableModel: The file is none that LiteRT can run.
        """
        if movenet.padded(input_size) != input_size:
            raise InvalidInput(
                f"must be a multiple of {movenet.INPUT_MULTIPLE_PX}", field="input_size"
            )
        self.input_size = input_size
        self._model_id = model_id
        self._least_score = least_score
        try:
            self._idle = [_Network(path) for _ in range(threads)]
        except (ValueError, RuntimeError, IndexError) as error:
            raise UnusableModel(
                model_id, path, f"LiteRT refuses it: {error}"
            ) from error
        self._changed = threading.Condition()

    def detect(self, batch: Sequence[RgbImage]) -> Sequence[Answer]:
        """Return what each picture shows, in its own pixels."""
        return [self._detect(pixels) for pixels in batch]

    def _detect(self, pixels: RgbImage) -> Answer:
        """Pad one picture, run it, and read the output."""
        height, width = pixels.shape[:2]
        size = movenet.padded(Size(width, height))
        tensor = np.zeros((1, size.height, size.width, 3), np.uint8)
        tensor[0, :height, :width] = pixels
        with self._borrowed(size) as network:
            output = network.run(tensor, size)
        try:
            found = movenet.decode(output, size, least_score=self._least_score)
        except NotFinite:
            return BrokenAnswer(self._model_id)
        return found.inside(Size(width, height))

    @contextmanager
    def _borrowed(self, size: Size) -> Iterator["_Network"]:
        """Use a network that nobody uses, best one that is set to this size."""
        with self._changed:
            self._changed.wait_for(lambda: self._idle)
            fitting = [network for network in self._idle if network.size == size]
            network = (fitting or self._idle)[0]
            self._idle.remove(network)
        try:
            yield network
        finally:
            with self._changed:
                self._idle.append(network)
                self._changed.notify()


class _Network:
    """One interpreter; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.size: Size | None = None
        self._interpreter: Any = Interpreter(str(path), num_threads=1)
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def run(self, tensor: NDArray[np.uint8], size: Size) -> NDArray[np.float32]:
        """Return the output, shape (6, 56), for an input of this size."""
        if self.size != size:
            self._interpreter.resize_tensor_input(self._input, tensor.shape)
            self._interpreter.allocate_tensors()
            self.size = size
        self._interpreter.set_tensor(self._input, tensor)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output)[0], np.float32)
