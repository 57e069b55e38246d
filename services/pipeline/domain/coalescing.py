"""A bounded queue that gives up old states of a slow reader, never events."""

from collections import deque
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Delivery(Generic[M]):
    """A message on its way to a reader.

    Attributes:
        sequence: Position in the log that the reader has reached with it.
        message: The message; None says only how far the log has come.
        coalesced: States left out before it.
        is_state: Whether a newer state makes it superfluous.
    """

    sequence: int
    message: M | None
    coalesced: int = 0
    is_state: bool = False


class CoalescingQueue(Generic[M]):
    """Holds what one reader has not taken yet.

    When it is full, every state but the newest goes, and the newest tells how many. A
    reader that takes nothing for too long, or whose events alone fill the queue, is
    given up.

    >>> queue = CoalescingQueue[str](capacity=2, patience_s=10.0)
    >>> for sequence in (1, 2, 3):
    ...     queue.put(Delivery(sequence, "at", is_state=True), now_s=0.0)
    >>> queue.take(now_s=0.0)
    Delivery(sequence=3, message='at', coalesced=2, is_state=True)
    """

    def __init__(self, capacity: int, patience_s: float) -> None:
        """Make an empty queue.

        Args:
            capacity: Deliveries to hold. Range: >= 1.
            patience_s: Time that a delivery may wait while nothing is taken, seconds.
        """
        self._capacity = capacity
        self._patience_s = patience_s
        self._waiting: deque[Delivery[M]] = deque()
        self._moved_s = 0.0
        self.gave_up = False

    def put(self, delivery: Delivery[M], *, now_s: float) -> None:
        """Add a delivery; does nothing once the reader was given up."""
        if self.gave_up:
            return
        if not self._waiting:
            self._moved_s = now_s
        self._waiting.append(delivery)
        if len(self._waiting) > self._capacity:
            self._coalesce()
        stalled = now_s - self._moved_s > self._patience_s
        if stalled or len(self._waiting) > self._capacity:
            self.gave_up = True
            self._waiting.clear()

    def take(self, *, now_s: float) -> Delivery[M] | None:
        """Return the oldest delivery, or None when there is none."""
        if not self._waiting:
            return None
        self._moved_s = now_s
        return self._waiting.popleft()

    def _coalesce(self) -> None:
        states = [delivery for delivery in self._waiting if delivery.is_state]
        if not states:
            return
        newest = states[-1]
        left_out = len(states) - 1 + sum(state.coalesced for state in states)
        self._waiting = deque(
            replace(delivery, coalesced=left_out) if delivery is newest else delivery
            for delivery in self._waiting
            if delivery is newest or not delivery.is_state
        )
