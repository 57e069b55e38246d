"""When each frame of a recording was shown, and how many are missing before it."""

import math

_GAP_INTERVALS = 1.5


class FrameTimes:
    """Turns the stamps of a container into times that always grow.

    A stamp that is absent, repeats or runs backwards is replaced by one nominal
    interval after the frame before. A step of more than one and a half intervals is
    a gap, and the frames that would fill it are missing. Recordings of truly
    variable rate therefore count every long step as missing frames.
    """

    def __init__(self, interval_ns: int) -> None:
        self._interval_ns = interval_ns
        self._first_stamp_ns: int | None = None
        self._latest_ns: int | None = None

    @property
    def latest_ns(self) -> int | None:
        """Time of the latest frame since the first one, or None before that."""
        return self._latest_ns

    def resume(self, first_stamp_ns: int | None, latest_ns: int | None) -> None:
        """Go on after a frame without having seen those between.

        Args:
            first_stamp_ns: Stamp of the very first frame. None if it had none.
            latest_ns: Time of the frame to go on after, since the first one. None
                to begin with the first frame.
        """
        self._first_stamp_ns = first_stamp_ns
        self._latest_ns = latest_ns

    def since_first_ns(self, stamp_ns: int | None) -> int | None:
        """Return what a stamp says about the time since the first frame, if anything.

        Args:
            stamp_ns: Stamp of a frame, nanoseconds. None if it has none.
        """
        if stamp_ns is None or self._first_stamp_ns is None:
            return None
        return stamp_ns - self._first_stamp_ns

    def advance(self, stamp_ns: int | None) -> tuple[int, int]:
        """Place the next frame.

        Args:
            stamp_ns: Its stamp, nanoseconds. None if it has none.

        Returns:
            Its time since the first frame, nanoseconds, and the number of frames
            missing before it.

        >>> times = FrameTimes(interval_ns=100)
        >>> [times.advance(stamp) for stamp in (70, 170, 470, None, 480)]
        [(0, 0), (100, 0), (400, 2), (500, 0), (600, 0)]
        """
        if self._latest_ns is None:
            self._first_stamp_ns = stamp_ns
            self._latest_ns = 0
            return 0, 0
        time_ns = self.since_first_ns(stamp_ns)
        if time_ns is None or time_ns <= self._latest_ns:
            time_ns = self._latest_ns + self._interval_ns
        steps = (time_ns - self._latest_ns) / self._interval_ns
        self._latest_ns = time_ns
        return time_ns, math.floor(steps + 0.5) - 1 if steps > _GAP_INTERVALS else 0
