"""Give a ticket to whoever proves who they are."""

from aiohttp import web

from services.common.errors import InvalidInput
from services.gateway.authentication import AUTHENTICATOR, bearer_token
from services.gateway.json_text import json_bytes, parse_json
from services.gateway.limits.admission import admit
from services.gateway.limits.policy import RouteClass
from services.gateway.live.tickets import LIFETIME_S, Purpose, RedisTickets
from services.gateway.request_context import read_body

_MOST_BYTES = 1024


class TicketRoute:
    """Answers requests for tickets."""

    def __init__(self, tickets: RedisTickets) -> None:
        self._tickets = tickets

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a ticket for the purpose that the body names.

        Raises:
            Unauthenticated: The caller is not known.
            LimitReached: The caller asks too often.
            InvalidInput: The body names no purpose.
            Unavailable: No ticket can be kept now.
        """
        token = bearer_token(request)
        caller = await request.config_dict[AUTHENTICATOR].authenticate(token)
        await admit(request, caller, RouteClass.WRITE)
        purpose = _purpose(await read_body(request, _MOST_BYTES))
        ticket = await self._tickets.issue(token, purpose)
        body = {"ticket": ticket, "expires_in_s": LIFETIME_S}
        return web.Response(body=json_bytes(body), content_type="application/json")


def _purpose(body: bytes) -> Purpose:
    said = parse_json(body) if body else None
    names = ", ".join(Purpose)
    if not isinstance(said, dict):
        raise InvalidInput("must be an object", field="")
    for key in said:
        if key != "purpose":
            raise InvalidInput("is no field of this request", field=key)
    try:
        return Purpose(str(said.get("purpose")))
    except ValueError:
        raise InvalidInput(f"must be one of {names}", field="purpose") from None
