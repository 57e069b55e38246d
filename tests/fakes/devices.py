"""Whoever has to know on what models run, in memory."""

from dataclasses import dataclass, field


@dataclass
class Watched:
    """Remembers on what models run."""

    devices: dict[str, str] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)

    def running(self, model, device) -> None:
        self.devices[model] = device

    def lost(self, failure) -> None:
        self.failures.append(failure)
