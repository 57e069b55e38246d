"""Ranges of time, and their steps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.common.errors import InvalidInput

IntArray = NDArray[np.int64]

US_PER_S = 1_000_000
MINUTE_US = 60 * US_PER_S
HOUR_US = 60 * MINUTE_US
MAX_STEPS = 10_000
"""Most steps of one answer."""


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of time, microseconds since 1970 UTC.

    Attributes:
        start_us: First moment.
        end_us: Moment after the last.
    """

    start_us: int
    end_us: int

    def __post_init__(self) -> None:
        if self.end_us <= self.start_us:
            raise InvalidInput("must be later than start_time", field="end_time")

    def edges(self, step_us: int) -> IntArray:
        """Return where steps begin, and the end: int64, shape (steps + 1,).

        Args:
            step_us: Length of a step; the last may be shorter.

        Raises:
            InvalidInput: There would be too many steps.

        >>> Span(0, 25).edges(10).tolist()
        [0, 10, 20, 25]
        """
        if step_us < 1:
            raise InvalidInput("must be larger than 0", field="step")
        steps = -((self.start_us - self.end_us) // step_us)
        if steps > MAX_STEPS:
            message = f"gives {steps} steps in this range, more than {MAX_STEPS}"
            raise InvalidInput(message, field="step")
        edges = self.start_us + step_us * np.arange(steps + 1, dtype=np.int64)
        edges[-1] = self.end_us
        return edges

    def whole(self, unit_us: int) -> "Span | None":
        """Return the longest part that begins and ends with whole units.

        >>> Span(5, 35).whole(10)
        Span(start_us=10, end_us=30)
        """
        start_us = -(-self.start_us // unit_us) * unit_us
        end_us = self.end_us // unit_us * unit_us
        return Span(start_us, end_us) if start_us < end_us else None

    def around(self, inner: "Span | None") -> tuple["Span", ...]:
        """Return what is left when a part is taken out of the middle.

        >>> Span(5, 35).around(Span(10, 30))
        (Span(start_us=5, end_us=10), Span(start_us=30, end_us=35))
        """
        if inner is None:
            return (self,)
        pairs = (self.start_us, inner.start_us), (inner.end_us, self.end_us)
        return tuple(Span(start, end) for start, end in pairs if start < end)


def require_minutes(span: Span, step_us: int) -> None:
    """Check that a range and its steps are whole minutes.

    Raises:
        InvalidInput: One of them is not.
    """
    for value_us, field in (
        (span.start_us, "start_time"),
        (span.end_us, "end_time"),
        (step_us, "step"),
    ):
        if value_us % MINUTE_US:
            raise InvalidInput("must be whole minutes", field=field)
