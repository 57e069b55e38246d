"""How many watch an environment, over all replicas of the gateway."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import Redis

from services.common.errors import Overloaded, Unavailable
from services.common.redis_client import redis_errors
from services.common.tasks import end_tasks

_PREFIX = "spoton:viewers:"

# One sorted set an environment: each viewer with the time at which its seat falls
# free unless it is renewed, so that a replica that died keeps none for long.
_ENTER = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if not redis.call('ZSCORE', KEYS[1], ARGV[3])
   and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then
  return 0
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('PEXPIREAT', KEYS[1], math.floor(ARGV[2] * 1000) + 1)
return 1
"""

SEAT_S = 60.0
"""How long a seat lasts without being renewed, seconds."""
_RENEW_S = SEAT_S / 4

_log = structlog.get_logger(__name__)


class Viewers:
    """Gives seats in environments.

    Args:
        redis: Where the seats are kept.
        most: Viewers of one environment at once.
        clock: Seconds since 1970 UTC.
    """

    def __init__(
        self, redis: Redis, most: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._redis = redis
        self._most = most
        self._clock = clock
        self._enter = redis.register_script(_ENTER)

    @asynccontextmanager
    async def seat(
        self, environment_id: str
    ) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Hold a seat while the context is open.

        Yields:
            Renews the seat; to be called more often than every `SEAT_S`.

        Raises:
            Overloaded: All seats are taken.
            Unavailable: Redis is away.
        """
        name = secrets.token_hex(12)

        async def renew() -> None:
            await self._take(environment_id, name)

        await renew()
        try:
            yield renew
        finally:
            # If Redis is away now, the seat falls free by itself.
            with contextlib.suppress(Unavailable), redis_errors():
                await self._redis.zrem(_PREFIX + environment_id, name)

    @asynccontextmanager
    async def watching(self, environment_id: str) -> AsyncIterator[None]:
        """Hold a seat for a viewer, and renew it, while the context is open.

        Raises:
            Overloaded: All seats are taken.
            Unavailable: Redis is away.
        """
        async with self.seat(environment_id) as renew:
            renewing = asyncio.create_task(_keep(environment_id, renew))
            try:
                yield
            finally:
                await end_tasks(renewing)

    async def _take(self, environment_id: str, name: str) -> None:
        now_s = self._clock()
        arguments = (now_s, now_s + SEAT_S, name, self._most)
        with redis_errors():
            taken = await self._enter([_PREFIX + environment_id], list(arguments))
        if not taken:
            raise Overloaded(
                f"environment {environment_id} has its {self._most} viewers; try again "
                "when one has left"
            )


async def _keep(environment_id: str, renew: Callable[[], Awaitable[None]]) -> None:
    """Renew a seat again and again; who watches already goes on meanwhile."""
    while True:
        await asyncio.sleep(_RENEW_S)
        try:
            await renew()
        except (Unavailable, Overloaded) as error:
            _log.warning(
                "a seat was not renewed",
                environment_id=environment_id,
                cause=error.message,
            )
