"""Reading recordings at a chosen speed."""

import asyncio
import time
from collections.abc import Callable


class Pacer:
    """Holds frames back until their time has come.

    One pacer serves all cameras of a session, so that they stay together. Due times
    are computed from one origin, never from the frame before, so they do not drift;
    a reader that fell behind catches up without waiting.
    """

    def __init__(
        self, speed: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin to run.

        Args:
            speed: Multiple of the speed at which frames were taken. None never
                waits.
            clock: Monotonic time, seconds.
        """
        self._speed = speed
        self._clock = clock
        self._origin: tuple[int, float] | None = None
        self._paused_at_s: float | None = None
        self._changed = asyncio.Event()

    def set_speed(self, speed: float | None) -> None:
        """Go on at another speed from where the recordings are now."""
        self._speed = speed
        self.restart()

    def restart(self) -> None:
        """Take the next frame as due now, as after a seek."""
        self._origin = None
        self._wake()

    def pause(self) -> None:
        """Hold back every frame from now on."""
        if self._paused_at_s is None:
            self._paused_at_s = self._clock()
            self._wake()

    def resume(self) -> None:
        """Go on as if the pause had taken no time."""
        if self._paused_at_s is None:
            return
        if self._origin is not None:
            capture_time_ns, started_s = self._origin
            paused_s = self._clock() - self._paused_at_s
            self._origin = capture_time_ns, started_s + paused_s
        self._paused_at_s = None
        self._wake()

    def delay_s(self, capture_time_ns: int) -> float | None:
        """Return how long a frame is to be held back; None while paused.

        Args:
            capture_time_ns: When the frame was taken, nanoseconds since 1970.
        """
        if self._paused_at_s is not None:
            return None
        if self._speed is None:
            return 0.0
        now_s = self._clock()
        if self._origin is None:
            self._origin = capture_time_ns, now_s
        origin_ns, started_s = self._origin
        due_s = started_s + (capture_time_ns - origin_ns) / 1e9 / self._speed
        return max(0.0, due_s - now_s)

    def late_s(self, capture_time_ns: int) -> float:
        """Return how long ago a frame was due, seconds; 0 where none waits."""
        if self._speed is None or self._origin is None:
            return 0.0
        origin_ns, started_s = self._origin
        due_s = started_s + (capture_time_ns - origin_ns) / 1e9 / self._speed
        return max(0.0, self._clock() - due_s)

    async def wait_until(self, capture_time_ns: int) -> None:
        """Return when a frame's time has come, whatever happens meanwhile."""
        while (delay_s := self.delay_s(capture_time_ns)) != 0.0:
            changed = self._changed
            try:
                async with asyncio.timeout(delay_s):
                    await changed.wait()
            except TimeoutError:
                continue

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
