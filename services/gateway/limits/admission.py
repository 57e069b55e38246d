"""Let requests in, or refuse them with 429 and the time to wait."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from services.common.caller import Caller
from services.common.errors import Unavailable
from services.gateway.limits.client_address import (
    CLIENT_ADDRESS,
    Network,
    client_address,
    limited_address,
)
from services.gateway.limits.limiter import Limiter
from services.gateway.limits.policy import LimitReached, RouteClass, Standing

LIMITER: web.AppKey[Limiter] = web.AppKey("limiter", Limiter)
LOGIN_PATHS: web.AppKey[set[str]] = web.AppKey("login_paths", set)
"""Paths at which callers say who they are; counted by address, as nobody is known."""

_STANDING: web.RequestKey["asyncio.Task[Standing | None]"] = web.RequestKey(
    "standing", asyncio.Task
)

_log = structlog.get_logger(__name__)


def admission(trusted: Sequence[Network], open_paths: frozenset[str]) -> Middleware:
    """Return a middleware that counts addresses.

    It must be the first to see a request, and inside of what translates errors. Later
    ones ask `remote_address` for the address of the client.

    Args:
        trusted: Networks of proxies that are believed.
        open_paths: Paths that cost nothing and are not counted.
    """

    @web.middleware
    async def admitted(request: web.Request, handler: Handler) -> web.StreamResponse:
        forwarded = request.headers.getall(hdrs.X_FORWARDED_FOR, ())
        address = client_address(request.remote or "", forwarded, trusted)
        request[CLIENT_ADDRESS] = address
        if request.path not in open_paths:
            limiter = request.config_dict[LIMITER]
            counted = limited_address(address)
            if spent := await limiter.take_for_address(counted):
                raise LimitReached(spent)
            if request.path in request.config_dict[LOGIN_PATHS]:
                await _take(request, counted, RouteClass.LOGIN)
        return await handler(request)

    return admitted


async def admit(request: web.Request, caller: Caller, route: RouteClass) -> None:
    """Take a request from the quota of an account that is known by now.

    Raises:
        LimitReached: Nothing is left.
        Unavailable: Redis is away.
    """
    await _take(request, caller.subject, route)


async def show_standing(request: web.Request, response: web.StreamResponse) -> None:
    """Add the fields to an answer whose head is about to be sent."""
    asked = request.get(_STANDING)
    if asked is None or "RateLimit" in response.headers:
        return
    if standing := await asked:
        response.headers.update(standing.fields())


async def _take(request: web.Request, who: str, route: RouteClass) -> None:
    limiter = request.config_dict[LIMITER]
    if spent := await limiter.take(who, route):
        raise LimitReached(spent)
    # Asked for while the request is served, so that nobody waits for it.
    asked = _if_known(lambda: limiter.standing(who, route))
    request[_STANDING] = asyncio.create_task(asked)


async def _if_known(ask: Callable[[], Awaitable[Standing]]) -> Standing | None:
    """Return a standing; None if it cannot be had: the request was served already."""
    try:
        return await ask()
    except Unavailable as error:
        _log.warning("an answer does not say what is left", cause=error.message)
        return None
