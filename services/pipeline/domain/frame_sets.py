"""Frames of several cameras that were taken at about the same time."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.common.ids import CameraId

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FrameSetClock:
    """Cuts time into intervals of equal length, one for each frame set.

    Attributes:
        anchor_ns: Start of an interval, nanoseconds since 1970, UTC.
        interval_ns: Length of an interval, nanoseconds.
        anchor_number: Number of the frame set that begins at the anchor.
    """

    anchor_ns: int
    interval_ns: int
    anchor_number: int = 0

    def number(self, capture_time_ns: int) -> int:
        """Return the frame set that a capture time belongs to."""
        steps = (capture_time_ns - self.anchor_ns) // self.interval_ns
        return self.anchor_number + steps

    def start_ns(self, number: int) -> int:
        """Return when a frame set's interval begins, nanoseconds since 1970, UTC."""
        return self.anchor_ns + (number - self.anchor_number) * self.interval_ns


def interval_of_rate_ns(rate_hz: float) -> int:
    """Return the length of a frame set's interval, nanoseconds."""
    return round(1e9 / rate_hz)


def calm_anchor_ns(first_times_ns: Collection[int], interval_ns: int) -> int:
    """Return where to cut so that no camera's frames lie near a cut.

    Cameras run at about the rate of the frame sets, each in its own phase. The cut is
    put into the middle of the widest gap between the phases: a frame that is a little
    early or late then stays in its set, and every set gets one frame of each camera.

    Args:
        first_times_ns: A capture time of each camera. At least one.
        interval_ns: Length of an interval.

    Returns:
        The last such cut at or before the earliest of the times.

    >>> calm_anchor_ns([1000, 1030], interval_ns=100)
    965
    """
    phases = sorted({time_ns % interval_ns for time_ns in first_times_ns})
    following = [*phases[1:], phases[0] + interval_ns]
    gap, phase = max((b - a, a) for a, b in zip(phases, following, strict=True))
    cut = phase + gap // 2
    earliest_ns = min(first_times_ns)
    return earliest_ns - (earliest_ns - cut) % interval_ns


@dataclass(frozen=True, slots=True)
class FrameSet(Generic[T]):
    """What the cameras delivered in one interval.

    Attributes:
        number: Number of the set.
        start_ns: Start of its interval, nanoseconds since 1970, UTC.
        items: What each camera delivered, in order of capture time and never empty;
            the last one represents the camera. In the order of the cameras' names.
    """

    number: int
    start_ns: int
    items: Mapping[CameraId, tuple[T, ...]]


class FrameSetJoiner(Generic[T]):
    """Joins what cameras deliver to frame sets, in order of time.

    A set is complete when every camera has delivered something later or has ended.
    Live cameras may also run out of time: a set is closed, with all before it, when
    the tolerance is over since its first frame came. Sets with nothing in them are
    left out. Without a tolerance the sets depend on capture times alone, whatever
    order the cameras deliver in.
    """

    def __init__(
        self,
        clock: FrameSetClock,
        camera_ids: Collection[CameraId],
        *,
        tolerance_s: float | None = None,
    ) -> None:
        """Begin with no frames.

        Args:
            clock: Intervals of the sets.
            camera_ids: Cameras to wait for.
            tolerance_s: How long a set waits for the slowest camera, seconds. None
                waits without limit.
        """
        self._clock = clock
        self._tolerance_s = tolerance_s
        self._pending: dict[int, dict[CameraId, list[tuple[int, T]]]] = {}
        self._opened_s: dict[int, float] = {}
        self._open_until: dict[CameraId, float] = dict.fromkeys(camera_ids, -math.inf)
        self._closed_below: float = -math.inf

    def add(
        self, camera_id: CameraId, capture_time_ns: int, item: T, now_s: float = 0.0
    ) -> bool:
        """Add what a camera delivered.

        Args:
            camera_id: The camera.
            capture_time_ns: When it was taken, nanoseconds since 1970, UTC.
            item: What was delivered.
            now_s: Monotonic time, seconds.

        Returns:
            False if its set is closed already: the item came too late.
        """
        number = self._clock.number(capture_time_ns)
        self._open_until[camera_id] = max(self._open_until[camera_id], number)
        if number < self._closed_below:
            return False
        cameras = self._pending.setdefault(number, {})
        cameras.setdefault(camera_id, []).append((capture_time_ns, item))
        self._opened_s.setdefault(number, now_s)
        return True

    def end(self, camera_id: CameraId) -> None:
        """Wait for a camera no longer: it has reached its end or cannot go on."""
        self._open_until[camera_id] = math.inf

    def ready(self, now_s: float = 0.0) -> list[FrameSet[T]]:
        """Take out the sets that are closed by now, in order.

        Args:
            now_s: Monotonic time, seconds.
        """
        below = max(self._closed_below, min(self._open_until.values()))
        if self._tolerance_s is not None:
            for number, opened_s in self._opened_s.items():
                if now_s - opened_s >= self._tolerance_s:
                    below = max(below, number + 1)
        self._closed_below = below
        closed = sorted(number for number in self._pending if number < below)
        return [self._take(number) for number in closed]

    def next_deadline_s(self) -> float | None:
        """Return when a set runs out of time next, monotonic seconds; None if never."""
        if self._tolerance_s is None or not self._opened_s:
            return None
        return min(self._opened_s.values()) + self._tolerance_s

    def pending(self) -> int:
        """Return how many items wait in sets that are not closed."""
        return sum(
            len(items)
            for cameras in self._pending.values()
            for items in cameras.values()
        )

    def _take(self, number: int) -> FrameSet[T]:
        del self._opened_s[number]
        cameras = self._pending.pop(number)
        items = {
            camera_id: tuple(item for _, item in sorted(timed, key=lambda t: t[0]))
            for camera_id, timed in sorted(cameras.items())
        }
        return FrameSet(number, self._clock.start_ns(number), items)
