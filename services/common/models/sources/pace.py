"""How fast a source has to be."""

import time
from dataclasses import dataclass

from services.common.models.sources.failures import SourceFailed


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a source may keep us waiting.

    Attributes:
        silence_s: Longest wait for a connection, and for the next byte, seconds.
        window_s: Time over which the rate is looked at, seconds.
        least_bytes_per_s: A source that is slower for `window_s` is given up.
        attempts: Answers in a row that may bring next to nothing.
        report_every_s: Time between two lines of progress, seconds.
    """

    silence_s: float = 15.0
    window_s: float = 30.0
    least_bytes_per_s: float = 4096.0
    attempts: int = 3
    report_every_s: float = 5.0


class Pace:
    """Rate of an answer."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._window_began = self._reported = time.monotonic()
        self._bytes = 0

    def advance(self, size_bytes: int) -> None:
        """Count what came.

        Raises:
            SourceFailed: Too little came in the last window.
        """
        self._bytes += size_bytes
        elapsed_s = time.monotonic() - self._window_began
        if elapsed_s < self._patience.window_s:
            return
        if self._bytes < self._patience.least_bytes_per_s * elapsed_s:
            raise SourceFailed(f"too slow: {self._bytes} bytes in {elapsed_s:.0f} s")
        self._window_began, self._bytes = time.monotonic(), 0

    def report_is_due(self) -> bool:
        """Tell whether it is time for a line of progress, and begin to wait anew."""
        now = time.monotonic()
        due = now - self._reported >= self._patience.report_every_s
        if due:
            self._reported = now
        return due
