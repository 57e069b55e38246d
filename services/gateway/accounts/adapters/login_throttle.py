"""Slows those who guess passwords, on all replicas and across restarts, in Redis."""

import hashlib
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from services.common.redis_client import redis_errors
from services.gateway.accounts.domain.throttling import LoginThrottled

_ATTEMPT = (Path(__file__).parent / "login_attempt.lua").read_text()

# Takes back one counted attempt, without going below zero.
_TAKE_BACK = """
for _, key in ipairs(KEYS) do
    if tonumber(redis.call('HGET', key, 'count') or '0') > 0 then
        redis.call('HINCRBY', key, 'count', -1)
    end
end
"""


@dataclass(frozen=True, slots=True)
class ThrottleLimits:
    """How fast one may guess.

    Attributes:
        free: Attempts at one name from one address, or one known device, before each
            further one waits: 1 s, 2 s, 4 s, …
        free_of_address: Attempts from one address, at all names, before the same.
        attack: Failed attempts at one name from everywhere that are taken for an
            attack: then a new address has one free attempt only.
        most_wait_s: Longest wait, seconds.
        kept_s: How long the last attempt is remembered, seconds.
    """

    free: int = 5
    free_of_address: int = 50
    attack: int = 100
    most_wait_s: int = 60
    kept_s: int = 3600


class RedisLoginThrottle:
    """Counts attempts in Redis.

    An attempt counts as failed from its beginning, so that many at once are as slow
    as one after the other. An attempt that is refused does not count: whoever waits
    is let in however often others try.
    """

    def __init__(self, redis: Redis, limits: ThrottleLimits | None = None) -> None:
        self._redis = redis
        self._limits = limits or ThrottleLimits()

    async def begin(self, name: str, address: str, device: str) -> None:
        """Count an attempt.

        Args:
            name: That is tried; existing or not.
            address: Where the attempt comes from.
            device: Id of a device known to have logged in with the name, or empty.

        Raises:
            LoginThrottled: It is not this attempt's time yet.
            Unavailable: Redis is away.
        """
        limits = self._limits
        with redis_errors():
            # Sent again after a broken answer, it counts twice: that is all.
            wait_ms = await self._redis.eval(
                _ATTEMPT,
                3,
                *_keys(name, address, device),
                int(bool(device)),
                limits.free,
                limits.free_of_address,
                limits.attack,
                limits.most_wait_s,
                limits.kept_s,
            )
        if wait_ms:
            raise LoginThrottled(max(1.0, wait_ms / 1000))

    async def succeeded(self, name: str, address: str, device: str) -> None:
        """Take the attempt back, and forget failures of this name from here.

        Raises:
            Unavailable: Redis is away.
        """
        who, of_address, of_name = _keys(name, address, device)
        with redis_errors():
            await self._redis.delete(who)
            if not device:
                await self._redis.eval(_TAKE_BACK, 2, of_address, of_name)

    async def taken_back(self, name: str, address: str, device: str) -> None:
        """Take an attempt back that was not decided.

        Raises:
            Unavailable: Redis is away.
        """
        who, of_address, of_name = _keys(name, address, device)
        counted = (who,) if device else (who, of_address, of_name)
        with redis_errors():
            await self._redis.eval(_TAKE_BACK, len(counted), *counted)


def _keys(name: str, address: str, device: str) -> tuple[str, str, str]:
    """Return the keys of who attempts, of the address, and of the name."""
    who = hashlib.sha256(name.encode()).hexdigest()[:32]
    where = network_of(address)
    place = f"device:{device}" if device else f"address:{where}"
    prefix = "spoton:login:"
    return f"{prefix}{who}:{place}", f"{prefix}address:{where}", f"{prefix}name:{who}"


def network_of(address: str) -> str:
    """Return what one attacker has of an address: itself, or an IPv6 network of 64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
