"""Embedding networks in ONNX: OSNet, person-reidentification-retail, FastReID."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.common.devices import DeviceSettings, DeviceWatch, UnusableModel
from services.common.errors import SpotOnError
from services.common.images import RgbImage
from services.common.models import EmbedderEntry
from services.common.onnx_session import Array, OnnxNetwork
from services.reid.adapters.embedders.crops import GREY, CropWriter, unit
from services.reid.service.embedding import EmbedderModel

_ANY_BATCH = 64


class OnnxEmbedder:
    """Runs a network of the registry; for several threads."""

    def __init__(
        self,
        path: Path,
        entry: EmbedderEntry,
        settings: DeviceSettings,
        watch: DeviceWatch,
    ) -> None:
        """Load the network, and try it.

        Args:
            path: The ONNX file, or its folder.
            entry: What the registry says about it.
            settings: Where it runs.
            watch: Told on which device it runs.

        Raises:
            UnusableModel: The network is not what the entry says.
            DeviceFailed: The device cannot be used.
        """
        if entry.input is None:
            raise UnusableModel(entry.model_id, path, "its entry has no input")
        self.model = EmbedderModel(
            model_id=entry.model_id,
            width_px=entry.input.width_px,
            height_px=entry.input.height_px,
            pixel_order=entry.input.pixel_order,
            dimensions=entry.dimensions,
            match_similarity=entry.match_similarity,
        )
        self._network = OnnxNetwork(entry.model_id, path, settings, watch)
        self._crops = CropWriter(entry.input)
        self._require_input()
        fixed = self._network.inputs[0].shape[0]
        self.max_batch = fixed or _ANY_BATCH
        self._least_rows = fixed or 1
        self._buffers = threading.local()
        self._output = self._find_output()

    def embed(self, batch: Sequence[RgbImage]) -> NDArray[np.float32]:
        """Return the vectors of crops, float32, shape (N, dimensions), unit length."""
        output = self._run(batch)[self._output]
        # A fixed batch has more rows than there are crops.
        return unit(output.reshape(len(output), -1)[: len(batch)])

    def _run(self, batch: Sequence[RgbImage]) -> list[Array]:
        """Return every output."""
        buffer = self._buffer(max(len(batch), self._least_rows))
        self._crops.write(batch, buffer)
        return self._network.run({self._network.inputs[0].name: buffer})

    def _buffer(self, rows: int) -> Array:
        """Return this thread's input for so many crops."""
        held: Array | None = getattr(self._buffers, "rows", None)
        if held is None or len(held) < rows:
            held = self._network.host_buffer(
                (rows, *self._crops.shape), self._network.inputs[0].dtype
            )
            self._buffers.rows = held
        return held[:rows]

    def _require_input(self) -> None:
        """Return if the network reads what the entry says.

        Raises:
            UnusableModel: It has another input.
        """
        wanted = ("any", *self._crops.shape)
        inputs = self._network.inputs
        found = "; ".join(map(str, inputs))
        fits = (
            len(inputs) == 1
            and inputs[0].dtype in (np.float32, np.float16)
            and len(inputs[0].shape) == len(wanted)
            and all(
                length is None or length == side
                for length, side in zip(
                    inputs[0].shape[1:], self._crops.shape, strict=True
                )
            )
        )
        if not fits:
            lengths = ", ".join(map(str, wanted))
            raise self._network.unusable(
                f"expected one input ({lengths}) float32, as its entry says; "
                f"found {found}"
            )

    def _find_output(self) -> int:
        """Return which output holds the vectors.

        Raises:
            UnusableModel: None or several have the entry's dimensions, it is not
                finite, or the network cannot be run.
        """
        grey = np.full((self.model.height_px, self.model.width_px, 3), GREY, np.uint8)
        try:
            outputs = self._run([grey])
        except SpotOnError:
            raise
        # ONNX Runtime's errors have no class in common.
        except Exception as error:
            raise self._network.unusable(f"fails on a grey crop: {error}") from error
        wanted = self._least_rows, self.model.dimensions
        fitting = [
            index
            for index, output in enumerate(outputs)
            if (output.shape[:1], output.size) == (wanted[:1], wanted[0] * wanted[1])
        ]
        if len(fitting) != 1:
            found = ", ".join(str(output.shape) for output in outputs)
            raise self._network.unusable(
                f"expected one output of {self.model.dimensions} numbers a crop, the "
                f"dimensions of its entry; found {found}"
            )
        if not np.isfinite(outputs[fitting[0]]).all():
            raise self._network.unusable("answers a grey crop with NaN or infinity")
        return fitting[0]
