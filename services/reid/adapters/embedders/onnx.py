"""Embedding networks, run by ONNX Runtime on the CPU or on CUDA."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.errors import InvalidInput
from services.common.images import RgbImage
from services.common.models import EmbedderEntry, PixelOrder, TensorLayout
from services.common.onnx_session import open_session
from services.reid.service.embedding import EmbedderModel

_ANY_BATCH = 64


class OnnxEmbedder:
    """Runs a network of the registry."""

    def __init__(self, path: Path, entry: EmbedderEntry, *, device: str) -> None:
        """Load the model.

        Args:
            path: The ONNX file.
            entry: What the registry says about it.
            device: `cpu` or `cuda`.

        Raises:
            InvalidInput: The entry says nothing about the network's input.
            Unavailable: The device cannot be used.
        """
        if entry.input is None:
            raise InvalidInput("has no network", field="model")
        self.model = EmbedderModel(
            model_id=entry.model_id,
            width_px=entry.input.width_px,
            height_px=entry.input.height_px,
            pixel_order=entry.input.pixel_order,
            dimensions=entry.dimensions,
            match_similarity=entry.match_similarity,
        )
        self._session = open_session(path, device)
        network_input = self._session.get_inputs()[0]
        batch = network_input.shape[0]
        self.max_batch = batch if isinstance(batch, int) else _ANY_BATCH
        self._name = network_input.name
        self._input = entry.input
        self._mean = np.array(entry.input.mean, np.float32)
        self._deviation = np.array(entry.input.deviation, np.float32)

    def embed(self, batch: Sequence[RgbImage]) -> NDArray[np.float32]:
        """Return the vectors of crops, float32, shape (N, dimensions), unit length."""
        tensor = np.stack([self._prepare(crop) for crop in batch])
        if self._input.layout is TensorLayout.NCHW:
            tensor = np.ascontiguousarray(tensor.transpose(0, 3, 1, 2))
        (outputs,) = self._session.run(None, {self._name: tensor})
        vectors = outputs.reshape(len(batch), -1).astype(np.float32)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: NDArray[np.float32] = vectors / np.maximum(length, 1e-12)
        return unit

    def _prepare(self, crop: RgbImage) -> NDArray[np.float32]:
        """Return a crop as the network reads it, shape (height, width, 3)."""
        size = (self._input.width_px, self._input.height_px)
        pixels: NDArray[Any] = crop
        if crop.shape[1::-1] != size:
            pixels = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
        if self._input.pixel_order is PixelOrder.BGR:
            pixels = pixels[..., ::-1]
        normal: NDArray[np.float32] = (
            pixels.astype(np.float32) - self._mean
        ) / self._deviation
        return normal
