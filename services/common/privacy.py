"""What pictures may show, asked seldom and decided safely."""

import time
from collections.abc import Awaitable, Callable

import structlog

from services.common.errors import SpotOnError, Unavailable
from services.common.ids import EnvironmentId

AskBlur = Callable[[EnvironmentId], Awaitable[bool]]
"""Asks whether an environment wants heads blurred; raises what kept it from that."""

_log = structlog.get_logger(__name__)


class HeadPrivacy:
    """Remembers for a few seconds which environments want heads blurred.

    While nobody can be asked the last answer holds; without one heads are blurred.
    """

    def __init__(
        self,
        ask: AskBlur,
        *,
        good_for_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember nothing yet.

        Args:
            ask: Who knows.
            good_for_s: Time after which is asked again, seconds.
            clock: Monotonic time, seconds.
        """
        self._ask = ask
        self._good_for_s = good_for_s
        self._clock = clock
        self._known: dict[EnvironmentId, tuple[bool, float]] = {}

    async def blurs_heads(self, environment_id: EnvironmentId) -> bool:
        """Return whether heads must not be seen.

        Raises:
            NotFound: There is no such environment.
        """
        blurs, asked_s = self._known.get(environment_id, (True, -self._good_for_s))
        if self._clock() - asked_s < self._good_for_s:
            return blurs
        try:
            blurs = await self._ask(environment_id)
        except Unavailable as error:
            _log.warning("privacy unknown", blurs=blurs, cause=error.message)
        except SpotOnError:
            self._known.pop(environment_id, None)
            raise
        self._known[environment_id] = (blurs, self._clock())
        return blurs
