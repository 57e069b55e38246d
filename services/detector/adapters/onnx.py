"""Networks of every head, run by ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import structlog

from services.common.devices import Device, DeviceSettings, DeviceWatch
from services.common.errors import InvalidInput, SpotOnError
from services.common.models import DetectorEntry
from services.common.onnx_session import Array, OnnxNetwork, TensorSpec
from services.detector.adapters.heads import HEADS, AnswerReader
from services.detector.adapters.inputs import InputWriter
from services.detector.batching import Answer
from services.detector.domain.geometry import Size
from services.detector.domain.heads import Shapes, UnknownLayout
from services.detector.domain.rtdetr import TARGET_SIZES
from services.detector.domain.tiles import RgbImage

_ANY_BATCH = 64
_FLOATS = (np.dtype(np.float32), np.dtype(np.float16))

_log = structlog.get_logger(__name__)


class OnnxDetector:
    """Finds any number of people, without keypoints.

    Attributes:
        input_size: Size of the network's input.
        max_batch: Pictures that are worth running at once.
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
            path: The ONNX file, or its folder.
            entry: What the registry says about it, input size as configured.
            settings: Where it runs.
            watch: Told on which device it runs.

        Raises:
            UnusableModel: The file is none that runs, or does not fit its entry.
            InvalidInput: The network reads another size.
            DeviceFailed: The device cannot be used, and there is to be no other.
        """
        self.input_size = Size(entry.input_width_px, entry.input_height_px)
        self._network = OnnxNetwork(entry.model_id, path, settings, watch)
        self._image, *others = self._network.inputs
        self._require_image()
        self._takes_sizes = self._require_sizes(others)
        self._fixed_batch = self._image.shape[0]
        self._writer = InputWriter(
            HEADS[entry.head].PREPARATION,
            self.input_size,
            entry.pixel_order,
            self._new_buffer,
        )
        self._reader = self._read_layout(entry)
        self.max_batch = self._fixed_batch or self._largest_batch()

    def detect(self, batch: Sequence[RgbImage]) -> Sequence[Answer]:
        """Return what each picture shows, in its own pixels."""
        outputs = self._run(batch)
        names = [output.name for output in self._network.outputs]
        return [
            self._reader.read(
                {
                    name: whole[index]
                    for name, whole in zip(names, outputs, strict=True)
                },
                pixels,
            )
            for index, pixels in enumerate(batch)
        ]

    def _run(self, batch: Sequence[RgbImage]) -> list[Array]:
        """Return the outputs for a batch, or for more where the network has a size."""
        count = self._fixed_batch or len(batch)
        feeds = {self._image.name: self._writer.write(batch, count)}
        if self._takes_sizes:
            size = (self.input_size.width, self.input_size.height)
            feeds[TARGET_SIZES] = np.tile(np.array(size, np.int64), (count, 1))
        return self._network.run(feeds)

    def _new_buffer(self, count: int) -> Array:
        """Return memory for the pictures of a batch."""
        shape = (count, 3, self.input_size.height, self.input_size.width)
        return self._network.host_buffer(shape, self._image.dtype)

    def _require_image(self) -> None:
        """Return if the network reads pictures of the configured size."""
        shape, dtype = self._image.shape, self._image.dtype
        if len(shape) != 4 or shape[1] not in (3, None) or dtype not in _FLOATS:
            raise self._network.unusable(
                "expected an input (pictures, 3, height, width) of float32 or float16; "
                f"found {self._image}"
            )
        height, width = shape[2:]
        if width not in (None, self.input_size.width) or height not in (
            None,
            self.input_size.height,
        ):
            raise InvalidInput(
                f"must be {width or 'any'} x {height or 'any'} pixels for the network "
                f"{self._network.path}; is {self.input_size.width} x "
                f"{self.input_size.height}",
                field=f"{self._network.model}.input_size",
            )

    def _require_sizes(self, others: Sequence[TensorSpec]) -> bool:
        """Return whether the network reads the sizes of pictures too."""
        if any(spec.name != TARGET_SIZES or len(spec.shape) != 2 for spec in others):
            found = ", ".join(str(spec) for spec in others)
            raise self._network.unusable(
                f"expected no input beside the picture but {TARGET_SIZES}; found "
                f"{found}"
            )
        return bool(others)

    def _read_layout(self, entry: DetectorEntry) -> AnswerReader:
        """Return what reads the network's answers."""
        shapes = self._probed(self._fixed_batch or 1)
        try:
            return AnswerReader(entry, shapes)
        except UnknownLayout as error:
            found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise self._network.unusable(
                f"its outputs do not fit head {entry.head}: {error}; found {found}"
            ) from None

    def _probed(self, count: int) -> Shapes:
        """Run on black pictures and return the shapes of the outputs for one.

        Raises:
            UnusableModel: The network does not run, or answers another number.
        """
        black = np.zeros((self.input_size.height, self.input_size.width, 3), np.uint8)
        try:
            outputs = self._run([black] * count)
        except SpotOnError:
            raise
        except Exception as error:
            raise self._network.unusable(
                f"it does not run on pictures of {self.input_size.width} x "
                f"{self.input_size.height}: {error}"
            ) from error
        specs = self._network.outputs
        for spec, output in zip(specs, outputs, strict=True):
            if output.shape[:1] != (count,):
                raise self._network.unusable(
                    f"expected answers for {count} pictures; {spec.name} is "
                    f"{output.shape}"
                )
        return {
            spec.name: output.shape[1:]
            for spec, output in zip(specs, outputs, strict=True)
        }

    def _largest_batch(self) -> int:
        """Return how many pictures a network that claims any number is given at once.

        On the CPU a batch takes as long as its pictures do one by one, and would keep
        them from the other threads.
        """
        if self._network.device is Device.CPU:
            return 1
        try:
            self._probed(2)
        except InvalidInput as error:
            _log.warning(
                "the network takes one picture at a time, though it claims any number",
                model=self._network.model,
                reason=error.message,
            )
            return 1
        return _ANY_BATCH
