"""Where a reader is in an environment's log, and what it missed."""

from dataclasses import dataclass

from services.analytics.domain.increment import Increment


@dataclass(frozen=True, slots=True)
class Place:
    """Up to where the log is stored.

    Attributes:
        sequence: Last event that is stored; 0 before the first.
        event_us: When it was appended, microseconds since 1970; None before the first.
    """

    sequence: int
    event_us: int | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that were gone before they were stored.

    Attributes:
        first: Sequence of the first.
        last: Sequence of the last.
        start_us: When the event before them was appended; None when there is none.
        end_us: When the event after them was appended, or the gap was found.
        cause: "removed", "log_replaced" or "refused".
    """

    first: int
    last: int
    start_us: int | None
    end_us: int
    cause: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """What one transaction stores.

    Attributes:
        before: Where the log was stored up to.
        after: Where it is stored up to with this.
        gap: What was missing in between; None when nothing.
        increment: What the events add; None when there are none.
    """

    before: Place
    after: Place
    gap: Gap | None
    increment: Increment | None
