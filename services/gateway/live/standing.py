"""Who watches, and whether they still may: asked again while a connection lasts."""

import asyncio
import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import hdrs, web

from services.common.caller import Caller
from services.common.errors import (
    Forbidden,
    SpotOnError,
    Unauthenticated,
    Unavailable,
)
from services.gateway.authentication import AUTHENTICATOR, bearer_token
from services.gateway.limits.admission import admit
from services.gateway.limits.client_address import remote_address
from services.gateway.limits.policy import RouteClass
from services.gateway.live.tickets import Purpose, RedisTickets

RECHECK_S = 5.0
"""How often is asked whether a token still holds, seconds."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A caller, and the access token that proves who it is.

    Attributes:
        token: The access token; secret.
        caller: Who holds it.
    """

    token: str = dataclasses.field(repr=False)
    caller: Caller


class Doorkeeper:
    """Lets viewers in, and finds out when they have to leave."""

    def __init__(self, tickets: RedisTickets, *, recheck_s: float = RECHECK_S) -> None:
        self._tickets = tickets
        self._recheck_s = recheck_s

    async def by_request(
        self, request: web.Request, purpose: Purpose, route: RouteClass
    ) -> Proof | None:
        """Return who sends a request, by its header or the ticket in its address.

        The request is taken from the caller's quota.

        Args:
            request: The request.
            purpose: That a ticket must be for.
            route: What is asked for.

        Returns:
            None when it has neither.

        Raises:
            Unauthenticated: What it has is not valid.
            LimitReached: The caller asks too often.
            Unavailable: It cannot be checked now.
        """
        if hdrs.AUTHORIZATION in request.headers:
            proof = await self.by_token(request, bearer_token(request))
        elif (ticket := request.query.get("ticket")) is not None:
            proof = await self.by_ticket(request, ticket, purpose)
        else:
            return None
        await admit(request, proof.caller, route)
        return proof

    async def by_token(self, request: web.Request, token: str) -> Proof:
        """Return who holds an access token; raises as `by_request`."""
        caller = await request.config_dict[AUTHENTICATOR].authenticate(token)
        caller = dataclasses.replace(caller, address=remote_address(request))
        return Proof(token, caller)

    async def by_ticket(
        self, request: web.Request, ticket: str, purpose: Purpose
    ) -> Proof:
        """Return who holds a ticket; raises as `by_request`."""
        return await self.by_token(request, await self._tickets.token(ticket, purpose))

    async def until_ended(
        self,
        request: web.Request,
        current: Callable[[], Proof],
        scope: str,
        environment_id: str,
    ) -> SpotOnError:
        """Wait until a caller may no longer watch; return why.

        Args:
            request: What the caller came with.
            current: Returns the newest proof: it may be renewed meanwhile.
            scope: Scope that is needed.
            environment_id: Where it is needed.
        """
        while True:
            left_s = current().caller.expires_s - time.time()
            if left_s <= 0:
                return Unauthenticated("the access token has expired")
            await asyncio.sleep(min(left_s, self._recheck_s))
            if current().caller.expires_s <= time.time():
                continue
            try:
                proof = await self.by_token(request, current().token)
                require_scope(proof.caller, scope, environment_id)
            except (Unauthenticated, Forbidden) as error:
                return error
            except Unavailable:
                continue  # What was known holds until the token expires.


def has_proof(request: web.Request) -> bool:
    """Return whether a request says who sends it, rightly or not."""
    return hdrs.AUTHORIZATION in request.headers or "ticket" in request.query


def require_scope(caller: Caller, scope: str, environment_id: str) -> None:
    """Return if a caller holds a scope.

    Raises:
        Forbidden: It does not.
    """
    if not caller.holds(scope, environment_id):
        raise Forbidden(f"this needs the scope {scope} in {environment_id}")
