"""What one viewer has not taken yet: bounded, and the latest state when it is slow."""

from collections import deque
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar


class Item(Protocol):
    """Something on its way to a viewer."""

    @property
    def state_of(self) -> str:
        """Session whose state it tells; empty for what is never left out."""

    @property
    def cameras(self) -> frozenset[str]:
        """Cameras that the state tells about."""


I = TypeVar("I", bound=Item)  # noqa: E741 - an item.


class ViewerQueue(Generic[I]):
    """Holds items in order.

    When it is full, the states go that newer ones make superfluous: those of the same
    session that tell about the same cameras. A viewer who takes nothing for too long,
    or for whom too much is left even so, is given up.

    Attributes:
        left_out: States left out and not told of yet.
        gave_up: Why the viewer was given up; empty while it was not.
    """

    def __init__(self, capacity: int, patience_s: float) -> None:
        """Make an empty queue.

        Args:
            capacity: Items to hold before states are left out. Range: >= 1.
            patience_s: How long items may wait while none is taken, seconds.
        """
        self.left_out = 0
        self.gave_up = ""
        self._capacity = capacity
        self._room = capacity
        self._patience_s = patience_s
        self._waiting: deque[I] = deque()
        self._moved_s = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def fill(self, items: Iterable[I], *, now_s: float) -> None:
        """Add what was missed; it needs no room of what comes after it."""
        if not self._waiting:
            self._moved_s = now_s
        self._waiting.extend(items)
        self._room = max(self._room, len(self._waiting) + self._capacity)

    def put(self, item: I, *, now_s: float) -> None:
        """Add an item; does nothing once the viewer was given up."""
        if self.gave_up:
            return
        if not self._waiting:
            self._moved_s = now_s
        self._waiting.append(item)
        if len(self._waiting) > self._room:
            self._coalesce()
        if len(self._waiting) > self._room:
            self._give_up("too far behind")
        self.check(now_s=now_s)

    def clear(self) -> None:
        """Forget what waits: the viewer wants to see something else."""
        self._waiting.clear()
        self._room = self._capacity
        self.left_out = 0

    def take(self, *, now_s: float) -> I | None:
        """Return the oldest item, or None when there is none."""
        if not self._waiting:
            return None
        self._moved_s = now_s
        self._room = max(self._capacity, len(self._waiting) + self._capacity - 1)
        return self._waiting.popleft()

    def check(self, *, now_s: float) -> None:
        """Give up a viewer who has taken nothing for too long."""
        if self._waiting and now_s - self._moved_s > self._patience_s:
            self._give_up(f"nothing was read for {self._patience_s:g} s")

    def _give_up(self, reason: str) -> None:
        self.gave_up = reason
        self._waiting.clear()

    def _coalesce(self) -> None:
        """Keep all that is no state, and of states the newest about each camera."""
        kept: deque[I] = deque()
        newer: dict[str, set[str]] = {}
        while self._waiting:
            item = self._waiting.pop()
            if item.state_of:
                told = newer.get(item.state_of)
                if told is not None and item.cameras <= told:
                    self.left_out += 1
                    continue
                newer.setdefault(item.state_of, set()).update(item.cameras)
            kept.appendleft(item)
        self._waiting = kept
        self._room = self._capacity
