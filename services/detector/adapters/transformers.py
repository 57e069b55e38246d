"""RT-DETR in torch, by Hugging Face's transformers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog

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
from services.common.models import DetectorEntry
from services.common.onnx_session import Array
from services.detector.adapters.heads import HEADS, AnswerReader
from services.detector.adapters.inputs import InputWriter
from services.detector.batching import Answer
from services.detector.domain.geometry import Size
from services.detector.domain.heads import UnknownLayout
from services.detector.domain.tiles import RgbImage

try:
    import torch
    from transformers import AutoModelForObjectDetection
except ImportError as error:
    raise NotReady(
        f"backend transformers needs torch and transformers, of which one is not "
        f"installed ({error}): install SpotOn's variant torch"
    ) from error

_MAX_BATCH = 64
# Their outputs are read by a sigmoid, and their input is scaled by 1/255 alone.
_MODEL_TYPES = ("rt_detr", "rt_detr_v2", "d_fine")
# As torch words it: "CUDA out of memory", "CUDA error: an illegal memory access".
_DEVICE_WORDS = ("CUDA", "CUDNN", "CUBLAS")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A model on a device.

    Attributes:
        model: The model.
        device: Where it is.
        dtype: What it computes with.
    """

    model: Any
    device: Device
    dtype: torch.dtype


class TransformersDetector:
    """Finds any number of people, without keypoints.

    Attributes:
        input_size: Size that pictures are scaled to.
        max_batch: Pictures that are worth running at once: on the CPU a batch takes as
            long as its pictures do one by one.
    """

    def __init__(
        self,
        path: Path,
        entry: DetectorEntry,
        settings: DeviceSettings,
        watch: DeviceWatch,
    ) -> None:
        """Load the model, and run it once to see what it answers.

        Args:
            path: The folder with `config.json` and the weights.
            entry: What the registry says about it, input size as configured.
            settings: Where it runs.
            watch: Told on which device it runs.

        Raises:
            UnusableModel: The folder holds no model that runs, or another one.
            DeviceFailed: The device cannot be used, and there is to be no other.
        """
        self.input_size = Size(entry.input_width_px, entry.input_height_px)
        self._path, self._entry, self._settings = path, entry, settings
        # Batches have threads of their own.
        torch.set_num_threads(1)
        self._failover = Failover(entry.model_id, self._open, settings, watch)
        self.max_batch = 1 if self._failover.device is Device.CPU else _MAX_BATCH
        self._writer = InputWriter(
            HEADS[entry.head].PREPARATION,
            self.input_size,
            entry.pixel_order,
            self._new_buffer,
        )
        self._reader = self._read_layout()

    def detect(self, batch: Sequence[RgbImage]) -> Sequence[Answer]:
        """Return what each picture shows, in its own pixels."""
        logits, boxes = self._run(batch)
        return [
            self._reader.read(
                {"logits": logits[index], "pred_boxes": boxes[index]}, pixels
            )
            for index, pixels in enumerate(batch)
        ]

    def _run(self, batch: Sequence[RgbImage]) -> tuple[Array, Array]:
        """Return class logits, shape (N, n, classes), and boxes, shape (N, n, 4)."""
        pixels = torch.from_numpy(self._writer.write(batch, len(batch)))
        return self._failover.run(lambda opened: self._computed(opened, pixels))

    def _computed(self, opened: _Opened, pixels: torch.Tensor) -> tuple[Array, Array]:
        """Return logits and boxes for an input.

        Raises:
            DeviceFailed: The device failed.
        """
        try:
            with torch.inference_mode():
                there = pixels.to(opened.device.value, opened.dtype, non_blocking=True)
                answer = opened.model(pixel_values=there)
                return (
                    answer.logits.float().cpu().numpy(),
                    answer.pred_boxes.float().cpu().numpy(),
                )
        except RuntimeError as error:
            self._raise_device_failure(opened.device, error)
            raise

    def _new_buffer(self, count: int) -> Array:
        """Return memory for the pictures of a batch, pinned for an accelerator."""
        memory = torch.zeros(
            (count, 3, self.input_size.height, self.input_size.width),
            pin_memory=self._failover.device is Device.CUDA,
        )
        return np.asarray(memory.numpy())

    def _open(self, device: Device) -> _Opened:
        """Return the model on a device.

        Raises:
            UnusableModel: The folder holds no model that runs, or another one.
            DeviceFailed: The device cannot be used.
        """
        usable = device is Device.CPU or (
            device is Device.CUDA and torch.cuda.is_available()
        )
        if not usable:
            raise DeviceFailed(
                f"model {self._entry.model_id}: {device} cannot be used",
                reason=f"this torch, {torch.__version__}, has none",
            )
        is_half = self._settings.precision is Precision.FLOAT16
        dtype = torch.float16 if is_half and device is Device.CUDA else torch.float32
        model = self._loaded()
        try:
            model = model.to(device.value, dtype).eval()
        except RuntimeError as error:
            self._raise_device_failure(device, error)
            raise
        _log.info(
            "model loaded",
            model=self._entry.model_id,
            folder=self._path.name,
            device=device.value,
            dtype=str(dtype),
        )
        return _Opened(model, device, dtype)

    def _loaded(self) -> Any:
        """Return the model, in memory of the host.

        Raises:
            UnusableModel: The folder holds no model that runs, or another one.
        """
        try:
            model, found = AutoModelForObjectDetection.from_pretrained(
                self._path, local_files_only=True, output_loading_info=True
            )
        except Exception as error:
            raise self._unusable(f"transformers refuses it: {error}") from error
        if model.config.model_type not in _MODEL_TYPES:
            known = ", ".join(_MODEL_TYPES)
            raise self._unusable(
                f"expected a model of type {known}; found {model.config.model_type}"
            )
        if found["missing_keys"] or found["mismatched_keys"]:
            lacking = [*found["missing_keys"], *found["mismatched_keys"]]
            raise self._unusable(
                f"expected all weights; {len(lacking)} are missing or of another "
                f"shape, such as {lacking[0]}"
            )
        return model

    def _read_layout(self) -> AnswerReader:
        """Run once, and return what reads the model's answers."""
        black = np.zeros((self.input_size.height, self.input_size.width, 3), np.uint8)
        try:
            logits, boxes = self._run([black])
            shapes = {"logits": logits.shape[1:], "pred_boxes": boxes.shape[1:]}
            return AnswerReader(self._entry, shapes)
        except (RuntimeError, ValueError) as error:
            if isinstance(error, UnknownLayout):
                raise self._unusable(f"{error}; found {shapes}") from None
            raise self._unusable(f"it does not run: {error}") from error

    def _raise_device_failure(self, device: Device, error: RuntimeError) -> None:
        """Raise DeviceFailed if an error of torch is the device's."""
        text = str(error)
        if device is not Device.CPU and any(word in text for word in _DEVICE_WORDS):
            raise DeviceFailed(
                f"model {self._entry.model_id}: {device} failed", reason=text
            ) from error

    def _unusable(self, reason: str) -> UnusableModel:
        """Return the error that this model is not what it should be."""
        return UnusableModel(self._entry.model_id, self._path, reason)
