"""How far behind one camera is."""

import time
from collections.abc import Callable


class FrameLag:
    """Knows since when each frame in flight is due."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with no frame.

        Args:
            clock: Monotonic time, seconds.
        """
        self._clock = clock
        # In the order of their arrival, so the first is due longest.
        self._due_s: dict[int, float] = {}

    def begin(self, frame_index: int, late_s: float) -> None:
        """Take a frame into flight that was due `late_s` seconds ago."""
        self._due_s[frame_index] = self._clock() - late_s

    def end(self, frame_index: int) -> None:
        """Take a frame out of flight."""
        self._due_s.pop(frame_index, None)

    def clear(self) -> None:
        """Take every frame out of flight."""
        self._due_s.clear()

    def lag_s(self) -> float:
        """Return for how long the oldest frame in flight is due, seconds.

        >>> lag = FrameLag(clock=lambda: 100.0)
        >>> lag.begin(7, 0.5)
        >>> lag.lag_s()
        0.5
        """
        oldest_s = next(iter(self._due_s.values()), None)
        return 0.0 if oldest_s is None else self._clock() - oldest_s
