"""Which frames to skip so that a camera keeps its rate."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Keeps the first frame of every slot of 1 / rate seconds.

    It depends on nothing but a frame's time and that of the frame before, so a
    recording that is read again, or from the middle, keeps the same frames. Slots
    begin half a frame interval before a frame, so that rounding never puts two
    frames into one slot and none into the next.

    Attributes:
        max_rate_hz: Frames to keep per second at most. None keeps all.
        interval_ns: Nominal time between frames of the source, nanoseconds.
    """

    max_rate_hz: float | None
    interval_ns: int

    def keeps(self, time_ns: int, previous_time_ns: int | None) -> bool:
        """Return whether a frame is kept.

        Args:
            time_ns: Its time since the first frame of the source, nanoseconds.
            previous_time_ns: Time of the frame before, kept or not. None for the
                first.
        """
        if self.max_rate_hz is None or previous_time_ns is None:
            return True
        return self._slot(time_ns) != self._slot(previous_time_ns)

    def delivered_rate_hz(self) -> float:
        """Return the nominal rate of the frames that are kept."""
        rate_hz = 1e9 / self.interval_ns
        return rate_hz if self.max_rate_hz is None else min(rate_hz, self.max_rate_hz)

    def _slot(self, time_ns: int) -> int:
        shifted_ns = time_ns + self.interval_ns // 2
        return int(shifted_ns * (self.max_rate_hz or 0.0) / 1e9)
