"""Counts requests in Redis, where all replicas see them and restarts lose none."""

import time
from collections.abc import Callable

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from prometheus_client import Counter
from redis.asyncio import Redis

from services.common.redis_client import redis_errors
from services.gateway.limits.policy import Policies, Rate, RouteClass, Standing

REFUSALS = Counter(
    "spoton_gateway_limit_refusals_total",
    "Requests refused because a quota was spent: of an address, or of an account in a "
    "class of routes.",
    ("quota",),
)

_PREFIX = "spoton:limits"
_ADDRESS = "address"


class Limiter:
    """Takes requests from the quotas of an account and of an address.

    A window slides: the one before counts by how much of it is still in view.

    Args:
        redis: Whose connections are shared.
        url: Its address; only the scheme is read.
        policies: What is allowed.
        clock: Seconds since 1970 UTC.
    """

    def __init__(
        self,
        redis: Redis,
        url: str,
        policies: Policies,
        clock: Callable[[], float] = time.time,
    ) -> None:
        storage = RedisStorage(
            f"async+{url}",
            implementation="redispy",
            key_prefix=_PREFIX,
            connection_pool=redis.connection_pool,  # type: ignore[arg-type]
        )
        self._windows = SlidingWindowCounterRateLimiter(storage)
        self._policies = policies
        self._clock = clock

    async def take_for_address(self, address: str) -> Standing | None:
        """Take a request of an address; return its standing where nothing was left.

        Args:
            address: As `limited_address` gives it.

        Raises:
            Unavailable: Redis is away.
        """
        return await self._take(_ADDRESS, self._policies.per_address, address)

    async def take(self, subject: str, route: RouteClass) -> Standing | None:
        """Take a request of an account; return its standing where nothing was left.

        Raises:
            Unavailable: Redis is away.
        """
        return await self._take(route, self._policies.by_class[route], subject)

    async def standing(self, subject: str, route: RouteClass) -> Standing:
        """Return what an account has left in a class of routes.

        Raises:
            Unavailable: Redis is away.
        """
        return await self._standing(route, self._policies.by_class[route], subject)

    async def _take(self, name: str, rate: Rate, who: str) -> Standing | None:
        with redis_errors():
            if await self._windows.hit(_item(rate), name, who):
                return None
        REFUSALS.labels(name).inc()
        return await self._standing(name, rate, who)

    async def _standing(self, name: str, rate: Rate, who: str) -> Standing:
        with redis_errors():
            stats = await self._windows.get_window_stats(_item(rate), name, who)
        reset_s = max(0.0, stats.reset_time - self._clock())
        return Standing(name, rate, max(0, stats.remaining), reset_s)


def _item(rate: Rate) -> RateLimitItemPerSecond:
    return RateLimitItemPerSecond(rate.requests, rate.window_s)
