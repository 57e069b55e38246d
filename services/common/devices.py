"""Run models on the device that was asked for, and say so when it fails.

An accelerator can be absent, run out of memory, or be lost while it works. What
happens then is configured: the service ends with an error, or the model is loaded
again on the CPU. Neither happens silently.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import structlog

from services.common.environ import ConfigError, Environ
from services.common.errors import InvalidInput, SpotOnError, Unavailable

Session = TypeVar("Session")
Result = TypeVar("Result")

_log = structlog.get_logger(__name__)


class Device(StrEnum):
    """What computes."""

    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"


class Precision(StrEnum):
    """Numbers to compute with, where the runtime has a choice."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


class Fallback(StrEnum):
    """What happens when the device fails."""

    FAIL = "fail"
    CPU = "cpu"


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """Where models run.

    Attributes:
        device: What computes.
        precision: Numbers to compute with.
        fallback: What happens when the device fails.
        engine_dir: Where TensorRT keeps the engines that it built; None keeps none.
    """

    device: Device = Device.CPU
    precision: Precision = Precision.FLOAT32
    fallback: Fallback = Fallback.FAIL
    engine_dir: Path | None = None


class UnusableModel(InvalidInput):
    """A model's files are not what its entry in the registry says."""

    def __init__(self, model: str, path: Path, reason: str) -> None:
        """Take what was wrong.

        Args:
            model: Name of the model.
            path: Its file or folder.
            reason: What was expected, and what was found.
        """
        super().__init__(f"model {model} cannot be used, {path}: {reason}")


class DeviceFailed(Unavailable):
    """A device is absent, out of memory, or lost.

    Attributes:
        reason: What the runtime said, which is for the log and not for callers.
    """

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.message}: {self.reason}" if self.reason else self.message


class DeviceWatch(Protocol):
    """Whoever has to know on what models run; called by any thread."""

    def running(self, model: str, device: Device) -> None:
        """Learn that a model runs on a device from now on."""

    def lost(self, failure: DeviceFailed) -> None:
        """Learn that a model cannot run any more."""


class Failover(Generic[Session]):
    """A model's session, opened again on the CPU when its device fails.

    Several threads may use it at once. Of those that meet one failure, the first
    opens the new session while the others wait for it.
    """

    def __init__(
        self,
        model: str,
        open_on: Callable[[Device], Session],
        settings: DeviceSettings,
        watch: DeviceWatch,
    ) -> None:
        """Open the session.

        Args:
            model: Name of the model.
            open_on: Opens a session, or raises DeviceFailed.
            settings: Where models run.
            watch: Told on which device the session runs.

        Raises:
            DeviceFailed: The device cannot be used, and there is to be no other.
        """
        self._model = model
        self._open_on = open_on
        self._fallback = settings.fallback
        self._watch = watch
        self._lock = threading.Lock()
        self._failure: DeviceFailed | None = None
        self._device = settings.device
        try:
            self._session = open_on(settings.device)
        except DeviceFailed as failure:
            self._open_on_cpu(failure)
        watch.running(model, self._device)

    @property
    def device(self) -> Device:
        """What computes now."""
        return self._device

    @property
    def session(self) -> Session:
        """The session in use."""
        return self._session

    def run(self, use: Callable[[Session], Result]) -> Result:
        """Return what `use` makes of the session.

        Args:
            use: Works with the session. Called again with another one when it raises
                DeviceFailed.

        Raises:
            DeviceFailed: The device failed now or before, and there is no other.
        """
        self._require_working()
        session = self._session
        try:
            return use(session)
        except DeviceFailed as failure:
            self._replace(session, failure)
        return use(self._session)

    def _replace(self, failed: Session, failure: DeviceFailed) -> None:
        """Open a session in place of one that failed, unless somebody has already."""
        with self._lock:
            self._require_working()
            if self._session is not failed:
                return
            try:
                self._open_on_cpu(failure)
            except SpotOnError as error:
                self._failure = failure
                if error is not failure:
                    reason = f"{failure.reason}; the CPU cannot take over: {error}"
                    self._failure = DeviceFailed(failure.message, reason=reason)
                self._watch.lost(self._failure)
            self._require_working()
            self._watch.running(self._model, self._device)

    def _require_working(self) -> None:
        """Raise DeviceFailed if the device failed before, and there is no other."""
        failure = self._failure
        if failure is not None:
            # A new one for each caller: an error keeps the frames that it passes.
            raise DeviceFailed(failure.message, reason=failure.reason)

    def _open_on_cpu(self, failure: DeviceFailed) -> None:
        """Open a session on the CPU, if that is allowed and something else failed.

        Raises:
            DeviceFailed: It is not, or the CPU failed.
        """
        if self._fallback is Fallback.FAIL or self._device is Device.CPU:
            raise failure
        _log.warning(
            "device failed; the model runs on the CPU from now on",
            model=self._model,
            device=self._device.value,
            reason=str(failure),
        )
        self._session = self._open_on(Device.CPU)
        self._device = Device.CPU


def device_settings(environ: Environ, cache_dir: Path) -> DeviceSettings:
    """Read DEVICE, PRECISION and FALLBACK.

    Args:
        environ: The service's variables.
        cache_dir: Where fetched models are kept; engines are kept beside them.

    Raises:
        ConfigError: A variable has a value that cannot be used.
    """
    device = Device(environ.choice("DEVICE", Device.CPU, tuple(Device)))
    precision = Precision(
        environ.choice("PRECISION", Precision.FLOAT32, tuple(Precision))
    )
    if precision is Precision.FLOAT16 and device is Device.CPU:
        raise ConfigError(
            f"{environ.prefix}PRECISION must be float32 on the CPU; got 'float16'"
        )
    fallback = Fallback(environ.choice("FALLBACK", Fallback.FAIL, tuple(Fallback)))
    return DeviceSettings(device, precision, fallback, cache_dir / "tensorrt")
