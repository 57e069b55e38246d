"""A watch that remembers on what models run."""

from services.common.devices import Device, DeviceFailed


class SeenDevices:
    """Remembers what it is told.

    Attributes:
        devices: Each device that a model came to run on.
        failures: Each failure after which a model could not run any more.
    """

    def __init__(self) -> None:
        self.devices: list[tuple[str, Device]] = []
        self.failures: list[DeviceFailed] = []

    def running(self, model: str, device: Device) -> None:
        self.devices.append((model, device))

    def lost(self, failure: DeviceFailed) -> None:
        self.failures.append(failure)
