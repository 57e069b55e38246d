"""How long things take, over the latest measurements."""

import numpy as np

from services.pipeline.domain.progress import Latency


class LatencyWindow:
    """Keeps the latest durations in a ring of fixed size."""

    def __init__(self, size: int = 512) -> None:
        self._ring_s = np.zeros(size)
        self._count = 0

    def add(self, duration_s: float) -> None:
        """Record one duration, in seconds."""
        self._ring_s[self._count % len(self._ring_s)] = duration_s
        self._count += 1

    def summary(self) -> Latency:
        """Return the distribution over the window; zeros before the first.

        The count is of all measurements, also those that left the window.
        """
        if not self._count:
            return Latency(0.0, 0.0, 0)
        p50_s, p95_s = np.percentile(self._ring_s[: self._count], (50, 95))
        return Latency(float(p50_s), float(p95_s), self._count)
