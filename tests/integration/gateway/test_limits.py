"""Quotas in a real Redis: shared by replicas, and kept over restarts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from redis.asyncio import Redis

from services.common.caller import Caller, CallerKind
from services.common.environ import Environ
from services.common.errors import Overloaded, Unavailable
from services.common.redis_client import open_redis
from services.gateway.limits.admission import (
    LIMITER,
    LOGIN_PATHS,
    admission,
    admit,
    show_standing,
)
from services.gateway.limits.client_address import (
    remote_address,
    trusted_proxies_from_environ,
)
from services.gateway.limits.limiter import Limiter
from services.gateway.limits.policy import (
    LimitReached,
    Policies,
    Rate,
    RouteClass,
    policies_from_environ,
)
from services.gateway.limits.viewers import SEAT_S, Viewers

LOOPBACK = trusted_proxies_from_environ(
    Environ("X_", {"X_TRUSTED_PROXIES": "127.0.0.0/8"})
)
ADA = Caller("ada", "Ada", CallerKind.USER, {}, expires_s=0.0)
BOB = replace(ADA, subject="bob")


def policies(**rates: Rate) -> Policies:
    """Return the default limits, some replaced by name; `address` is that of all."""
    default = policies_from_environ(Environ("X_", {}))
    per_address = rates.pop("address", default.per_address)
    by_class = {RouteClass(name): rate for name, rate in rates.items()}
    return Policies({**default.by_class, **by_class}, per_address)


@asynccontextmanager
async def limiter(valkey_url: str, limits: Policies) -> AsyncIterator[Limiter]:
    """Yield a limiter with connections of its own, as each replica has."""
    redis = open_redis(valkey_url)
    try:
        yield Limiter(redis, valkey_url, limits)
    finally:
        await redis.aclose()


@asynccontextmanager
async def served(valkey_url: str, limits: Policies) -> AsyncIterator[TestClient]:
    """Yield a client of one route that belongs to the account in its query."""

    async def answer(request: web.Request) -> web.Response:
        caller = replace(ADA, subject=request.query["who"])
        await admit(request, caller, RouteClass.READ)
        return web.Response(text=remote_address(request))

    @web.middleware
    async def errors(request, handler):  # type: ignore[no-untyped-def]
        try:
            return await handler(request)
        except LimitReached as error:
            return web.Response(status=429, headers=error.fields())

    async with limiter(valkey_url, limits) as used:
        app = web.Application(middlewares=[errors, admission(LOOPBACK, frozenset())])
        app[LIMITER] = used
        app[LOGIN_PATHS] = set()
        app.on_response_prepare.append(show_standing)
        app.router.add_get("/", answer)
        async with TestClient(TestServer(app)) as client:
            yield client


async def test_replicas_share_a_quota(valkey_url: str) -> None:
    """What one replica granted is gone in the other."""
    limits = policies(read=Rate(3, 60))
    async with (
        limiter(valkey_url, limits) as first,
        limiter(valkey_url, limits) as other,
    ):
        for each in (first, other, first):
            assert await each.take("shared", RouteClass.READ) is None
        spent = await other.take("shared", RouteClass.READ)
    assert spent is not None
    assert spent.remaining == 0
    assert 0 < spent.reset_s <= 120


async def test_a_restart_loses_no_count(valkey_url: str) -> None:
    """A replica that starts anew finds the quota spent."""
    limits = policies(search=Rate(1, 60))
    async with limiter(valkey_url, limits) as before:
        assert await before.take("restarted", RouteClass.SEARCH) is None
    async with limiter(valkey_url, limits) as after:
        assert await after.take("restarted", RouteClass.SEARCH) is not None


async def test_accounts_and_classes_have_quotas_of_their_own(valkey_url: str) -> None:
    """One who asks too often hinders nobody, nor themself elsewhere."""
    limits = policies(read=Rate(1, 60))
    async with limiter(valkey_url, limits) as used:
        assert await used.take("busy", RouteClass.READ) is None
        assert await used.take("busy", RouteClass.READ) is not None
        assert await used.take("calm", RouteClass.READ) is None
        assert await used.take("busy", RouteClass.WRITE) is None


async def test_concurrent_requests_never_exceed_a_quota(valkey_url: str) -> None:
    """Of many at once, as many are let in as there may be."""
    limits = policies(write=Rate(7, 60))
    async with limiter(valkey_url, limits) as used:
        taken = await asyncio.gather(
            *(used.take("burst", RouteClass.WRITE) for _ in range(40))
        )
    assert sum(one is None for one in taken) == 7


async def test_answers_say_what_is_left_and_refusals_when_to_return(
    valkey_url: str,
) -> None:
    """Each answer counts down; the refusal has Retry-After."""
    async with served(valkey_url, policies(read=Rate(2, 60))) as client:
        answers = [await client.get("/?who=counted") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[0].headers["RateLimit-Policy"] == '"read";q=2;w=60'
    assert answers[0].headers["RateLimit"].startswith('"read";r=1;')
    assert answers[1].headers["RateLimit"].startswith('"read";r=0;')
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 120


async def test_an_address_has_a_quota_whoever_it_claims_to_be(valkey_url: str) -> None:
    """New accounts from one address do not help; another address is served."""
    async with served(valkey_url, policies(address=Rate(2, 60))) as client:
        flood = {"X-Forwarded-For": "203.0.113.50"}
        other = {"X-Forwarded-For": "203.0.113.50, 203.0.113.51"}
        statuses = [
            (await client.get(f"/?who=many-{number}", headers=flood)).status
            for number in range(3)
        ]
        answer = await client.get("/?who=other", headers=other)
        assert await answer.text() == "203.0.113.51"
    assert statuses == [200, 200, 429]
    assert answer.status == 200


async def test_without_redis_nobody_is_let_in() -> None:
    """Requests that cannot be counted are refused as unavailable."""
    url = "redis://127.0.0.1:9/0"
    async with limiter(url, policies()) as used:
        with pytest.raises(Unavailable):
            await used.take("anybody", RouteClass.READ)


async def test_seats_are_limited_and_freed(valkey_url: str) -> None:
    """The next viewer is refused until one leaves."""
    redis = open_redis(valkey_url)
    viewers = Viewers(redis, most=1)
    async with viewers.seat("seats"):
        with pytest.raises(Overloaded, match="seats"):
            async with viewers.seat("seats"):
                pass
        async with viewers.seat("elsewhere"):
            pass
    async with viewers.seat("seats"):
        pass
    await redis.aclose()


async def test_a_seat_falls_free_unless_it_is_renewed(valkey_url: str) -> None:
    """A replica that died keeps its viewers' seats for a minute and no longer."""
    redis: Redis = open_redis(valkey_url)
    now_s = [1_000_000_000.0 + 10 * 365 * 86_400 * 3]
    viewers = Viewers(redis, most=1, clock=lambda: now_s[0])
    async with viewers.seat("renewed") as renew:
        now_s[0] += SEAT_S - 1
        await renew()
        now_s[0] += SEAT_S - 1
        with pytest.raises(Overloaded):
            async with viewers.seat("renewed"):
                pass
        now_s[0] += 2
        async with viewers.seat("renewed"):
            pass
    await redis.aclose()
