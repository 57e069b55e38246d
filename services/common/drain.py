"""The wish of a server that its streams move elsewhere."""

import asyncio
import random


class DrainSignal:
    """Tells streams when to ask their clients to reopen.

    A stream drains when its server stops, and when it reaches `max_stream_age_s`, so
    that new replicas get their share of long-lived streams.

    Attributes:
        grace_s: How long a stream may go on after it was asked, seconds.
    """

    def __init__(
        self, *, grace_s: float = 10.0, max_stream_age_s: float | None = None
    ) -> None:
        self.grace_s = grace_s
        self._max_stream_age_s = max_stream_age_s
        self._stopping = asyncio.Event()

    @property
    def stopping(self) -> bool:
        """Whether the server is about to stop."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Ask every stream to drain."""
        self._stopping.set()

    async def wait(self) -> None:
        """Return when a stream that begins now should drain."""
        if self._max_stream_age_s is None:
            await self._stopping.wait()
            return
        # Streams that began together should not move together.
        age_s = self._max_stream_age_s * random.uniform(0.9, 1.1)  # noqa: S311
        try:
            async with asyncio.timeout(age_s):
                await self._stopping.wait()
        except TimeoutError:
            return
