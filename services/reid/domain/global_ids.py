"""Identifiers of persons that are never reused, also not after a restore."""

from collections.abc import Callable

from services.common.ids import GlobalId

EPOCH_MS = 1_767_225_600_000
"""2026-01-01 00:00:00 UTC, milliseconds since 1970."""

LOW_BITS = 20
"""Bits of an id below its time."""


class GlobalIdSource:
    """Draws positive 63-bit ids: milliseconds since 2026, then 20 random bits.

    The time keeps ids from before a restored backup apart from those after it, the
    random bits keep replicas apart. Ids of one source grow.
    """

    def __init__(
        self, now_ms: Callable[[], int], random_bits: Callable[[int], int]
    ) -> None:
        self._now_ms = now_ms
        self._random_bits = random_bits
        self._last = 0

    def draw(self) -> GlobalId:
        """Return the next id."""
        drawn = (self._now_ms() - EPOCH_MS) << LOW_BITS | self._random_bits(LOW_BITS)
        self._last = max(drawn, self._last + 1)
        return GlobalId(self._last)
