"""Limits of requests, as wide as a test needs them."""

from redis.asyncio import Redis

from services.gateway.limits.limiter import Limiter
from services.gateway.limits.policy import Policies, Rate, RouteClass

_MANY = Rate(1_000_000, 60)
PLENTY = Policies(dict.fromkeys(RouteClass, _MANY), _MANY)
"""More than any test asks for."""


def policies(**rates: Rate) -> Policies:
    """Return plenty, but for the rates of some classes; `address` is that of all."""
    per_address = rates.pop("address", _MANY)
    named = {RouteClass(name): rate for name, rate in rates.items()}
    return Policies({**PLENTY.by_class, **named}, per_address)


def limiter_on(redis: Redis, limits: Policies = PLENTY) -> Limiter:
    """Return what counts in a Redis."""
    return Limiter(redis, "redis://", limits)
