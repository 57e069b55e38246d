"""Let requests in, or refuse them with 429 and the time to wait."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from services.common.caller import Caller
from services.common.errors import Overloaded
from services.gateway.limits.client_address import (
    Network,
    client_address,
    limited_address,
)
from services.gateway.limits.limiter import Limiter
from services.gateway.limits.policy import RouteClass, Standing

LIMITER: web.AppKey[Limiter] = web.AppKey("limiter", Limiter)


class LimitReached(Overloaded):
    """A caller asked too often.

    Attributes:
        standing: What is left, and when there is more.
    """

    def __init__(self, standing: Standing) -> None:
        super().__init__(
            f"more than {standing.rate.requests} requests of the class "
            f"{standing.name} in {standing.rate.window_s} s; try again in "
            f"{standing.wait_s} s"
        )
        self.standing = standing

    def fields(self) -> dict[str, str]:
        """Return the header fields of the refusal."""
        wait_s = max(1, self.standing.wait_s)
        return self.standing.fields() | {hdrs.RETRY_AFTER: str(wait_s)}


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A request that was let in, and what its account has left, being asked for."""

    standing: asyncio.Task[Standing]


_ADMITTED = web.RequestKey("admitted", _Admitted)


def admission(trusted: Sequence[Network], open_paths: frozenset[str]) -> Middleware:
    """Return a middleware that counts addresses and shows what is left.

    It must be the first to see a request, and inside of what translates errors. Later
    ones see the address of the client as `request.remote`.

    Args:
        trusted: Networks of proxies that are believed.
        open_paths: Paths that cost nothing and are not counted.
    """

    @web.middleware
    async def admitted(request: web.Request, handler: Handler) -> web.StreamResponse:
        forwarded = request.headers.getall(hdrs.X_FORWARDED_FOR, ())
        address = client_address(request.remote or "", forwarded, trusted)
        if address != request.remote:
            request = request.clone(remote=address)
        if request.path not in open_paths:
            limiter = request.config_dict[LIMITER]
            spent = await limiter.take_for_address(limited_address(address))
            if spent is not None:
                raise LimitReached(spent)
        response = await handler(request)
        await _show_standing(request, response)
        return response

    return admitted


async def admit(request: web.Request, caller: Caller, route: RouteClass) -> None:
    """Take a request from the quota of an account that is known by now.

    Raises:
        LimitReached: Nothing is left.
        Unavailable: Redis is away.
    """
    limiter = request.config_dict[LIMITER]
    spent = await limiter.take(caller.subject, route)
    if spent is not None:
        raise LimitReached(spent)
    # Asked for while the request is served, so that nobody waits for it.
    asked = asyncio.create_task(limiter.standing(caller.subject, route))
    request[_ADMITTED] = _Admitted(asked)


async def _show_standing(request: web.Request, response: web.StreamResponse) -> None:
    """Add the fields to an answer whose head was not sent yet."""
    admitted = request.get(_ADMITTED)
    if admitted is None:
        return
    if response.prepared:
        admitted.standing.cancel()
        return
    response.headers.update((await admitted.standing).fields())
