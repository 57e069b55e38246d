"""CLIP image encoders (Radford et al., 2021), run by transformers in torch.

A crop is squeezed into the square that the encoder reads. A person is about twice as
tall as wide: the centre crop that CLIP was trained with would cut off head and feet.
The square is what `GetModel` asks for, so most crops come in it already.
"""

import importlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.common.devices import (
    Device,
    DeviceFailed,
    DeviceSettings,
    DeviceWatch,
    Failover,
    Precision,
    UnusableModel,
)
from services.common.errors import NotReady
from services.common.images import RgbImage
from services.common.models import (
    EmbedderEntry,
    EmbedderInput,
    PixelOrder,
    TensorLayout,
)
from services.reid.adapters.embedders.crops import GREY, CropWriter, unit
from services.reid.service.embedding import EmbedderModel

_KINDS = ("clip", "clip_vision_model")


class ClipEmbedder:
    """Runs the image encoder of a CLIP model; for several threads."""

    max_batch = 64

    def __init__(
        self,
        path: Path,
        entry: EmbedderEntry,
        settings: DeviceSettings,
        watch: DeviceWatch,
    ) -> None:
        """Load the encoder.

        Args:
            path: Folder with `config.json`, `preprocessor_config.json` and weights.
            entry: What the registry says about it.
            settings: Where it runs.
            watch: Told on which device it runs.

        Raises:
            NotReady: torch or transformers is not installed.
            UnusableModel: The folder is not what the entry says.
            DeviceFailed: The device cannot be used.
        """
        self._torch, self._transformers = require_libraries(entry)
        # We bring our own threads.
        self._torch.set_num_threads(1)
        # Errors are raised; that a text encoder is left out is as it should be.
        self._transformers.logging.set_verbosity_error()
        self._transformers.logging.disable_progress_bar()
        self._path = path
        self._entry = entry
        self._precision = settings.precision
        read = _input(self._transformers, path, entry)
        self.model = EmbedderModel(
            model_id=entry.model_id,
            width_px=read.width_px,
            height_px=read.height_px,
            pixel_order=read.pixel_order,
            dimensions=entry.dimensions,
            match_similarity=entry.match_similarity,
        )
        self._crops = CropWriter(read, self._resize)
        self._buffers = threading.local()
        self._failover = Failover(entry.model_id, self._open, settings, watch)
        self._require_finite()

    def embed(self, batch: Sequence[RgbImage]) -> NDArray[np.float32]:
        """Return the vectors of crops, float32, shape (N, dimensions), unit length."""
        buffer = self._buffer(len(batch))
        self._crops.write(batch, buffer)
        pixels = self._torch.from_numpy(buffer)
        return unit(self._failover.run(lambda encoder: self._encode(encoder, pixels)))

    def _require_finite(self) -> None:
        """Return if the encoder has an answer for a grey crop.

        Raises:
            UnusableModel: It answers NaN or infinity.
            DeviceFailed: The device failed.
        """
        grey = np.full((self.model.height_px, self.model.width_px, 3), GREY, np.uint8)
        if not np.isfinite(self.embed([grey])).all():
            raise self._unusable("answers a grey crop with NaN or infinity")

    def _encode(self, encoder: Any, pixels: Any) -> NDArray[Any]:
        """Return the projected image features, shape (N, dimensions).

        Raises:
            DeviceFailed: The device failed.
        """
        try:
            with self._torch.inference_mode():
                moved = pixels.to(encoder.device, encoder.dtype)
                features = encoder(pixel_values=moved).image_embeds
                answered: NDArray[Any] = features.float().cpu().numpy()
        except RuntimeError as error:
            if encoder.device.type != "cpu":
                raise DeviceFailed(
                    f"model {self._entry.model_id}: {encoder.device} failed",
                    reason=str(error),
                ) from error
            raise
        return answered

    def _buffer(self, rows: int) -> NDArray[np.float32]:
        """Return this thread's input for so many crops."""
        held: NDArray[np.float32] | None = getattr(self._buffers, "rows", None)
        if held is None or len(held) < rows:
            held = np.empty((rows, *self._crops.shape), np.float32)
            self._buffers.rows = held
        return held[:rows]

    def _resize(self, crop: RgbImage, width_px: int, height_px: int) -> RgbImage:
        """Return a crop in another size, as CLIP's own bicubic scaling does it.

        OpenCV's does not smooth before it shrinks, and its kernel is another one.
        """
        # A copy in any case: crops may be views of what cannot be written to.
        planes = np.array(crop.transpose(2, 0, 1)[None], order="C")
        scaled = self._torch.nn.functional.interpolate(
            self._torch.from_numpy(planes).float(),
            size=(height_px, width_px),
            mode="bicubic",
            antialias=True,
        )
        levels = scaled[0].round_().clamp_(0, 255).permute(1, 2, 0)
        resized: RgbImage = levels.numpy().astype(np.uint8)
        return resized

    def _open(self, device: Device) -> Any:
        """Return the encoder on a device.

        Raises:
            UnusableModel: The weights are not those of such an encoder.
            DeviceFailed: The device cannot be used.
        """
        if device is Device.TENSORRT or (
            device is Device.CUDA and not self._torch.cuda.is_available()
        ):
            raise DeviceFailed(
                f"model {self._entry.model_id}: {device} cannot be used by this torch"
            )
        try:
            encoder, loading = (
                self._transformers.CLIPVisionModelWithProjection.from_pretrained(
                    str(self._path), local_files_only=True, output_loading_info=True
                )
            )
        except Exception as error:
            raise self._unusable(f"transformers refuses it: {error}") from error
        if missing := sorted(loading["missing_keys"]):
            # transformers would fill them with random numbers.
            raise self._unusable(
                f"expected the weights of an image encoder; {len(missing)} are missing,"
                f" such as {missing[0]}"
            )
        half = self._precision is Precision.FLOAT16 and device is not Device.CPU
        kind = self._torch.float16 if half else self._torch.float32
        try:
            return encoder.eval().to(device.value, kind)
        except RuntimeError as error:
            if device is Device.CPU:
                raise
            raise DeviceFailed(
                f"model {self._entry.model_id}: {device} failed", reason=str(error)
            ) from error

    def _unusable(self, reason: str) -> UnusableModel:
        return UnusableModel(self._entry.model_id, self._path, reason)


def require_libraries(entry: EmbedderEntry) -> tuple[ModuleType, ModuleType]:
    """Return torch and transformers, which only this backend needs.

    Raises:
        NotReady: One of them is not installed.
    """
    return _library("torch", entry.model_id), _library("transformers", entry.model_id)


def _library(name: str, model_id: str) -> ModuleType:
    """Return one of them."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NotReady(
            f"model {model_id} needs {name}, which is not installed: install SpotOn's "
            "variant torch"
        ) from error


def _input(transformers: ModuleType, path: Path, entry: EmbedderEntry) -> EmbedderInput:
    """Return what the encoder reads, from the files beside its weights.

    Raises:
        UnusableModel: They are absent or do not describe a CLIP of the entry's
            dimensions.
    """
    try:
        kind = json.loads((path / "config.json").read_text("utf-8"))["model_type"]
        config = transformers.CLIPVisionConfig.from_pretrained(
            str(path), local_files_only=True
        )
        facts = json.loads((path / "preprocessor_config.json").read_text("utf-8"))
        scale = facts.get("rescale_factor", 1 / 255)
        mean, deviation = (
            tuple(value / scale for value in facts[name])
            for name in ("image_mean", "image_std")
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnusableModel(
            entry.model_id,
            path,
            "expected config.json and preprocessor_config.json of a CLIP model; "
            f"{type(error).__name__}: {error}",
        ) from error
    if kind not in _KINDS:
        raise UnusableModel(
            entry.model_id, path, f"expected a model of type clip; found {kind!r}"
        )
    if config.projection_dim != entry.dimensions:
        raise UnusableModel(
            entry.model_id,
            path,
            f"expected {entry.dimensions} dimensions, as its entry says; found "
            f"{config.projection_dim}",
        )
    side = config.image_size
    return EmbedderInput(side, side, PixelOrder.RGB, TensorLayout.NCHW, mean, deviation)
