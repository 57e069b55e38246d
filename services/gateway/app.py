"""The HTTP application: routes of the protos, and what others add to them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from services.gateway.audit import AuditLog
from services.gateway.authentication import (
    AUTHENTICATOR,
    TICKETS,
    Authenticator,
    Tickets,
)
from services.gateway.request_context import add_headers, tell_failures
from services.gateway.transcoder.api import Api
from services.gateway.transcoder.endpoint import Deadlines, Endpoint
from services.gateway.transcoder.peers import Peers
from services.gateway.transcoder.routes import all_routes, route_tree

Extension = Callable[[web.Application], None]
"""Adds routes that are written by hand; they go before those of the protos."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What the application stands on.

    Attributes:
        peers: The services.
        authenticator: Knows callers by their tokens.
        tickets: Knows callers by their tickets.
        audit: Keeps what must be recorded.
        deadlines: Of unary calls.
    """

    peers: Peers
    authenticator: Authenticator
    tickets: Tickets
    audit: AuditLog
    deadlines: Deadlines


def build_app(
    api: Api, ports: Ports, extensions: Sequence[Extension] = ()
) -> web.Application:
    """Return the application.

    Args:
        api: What the protos describe.
        ports: What it stands on.
        extensions: Add routes written by hand, each its own.

    Raises:
        BadRoute: The protos have a route that cannot be served.
        RouteConflict: Two of their routes answer the same requests.
    """
    app = web.Application(middlewares=[tell_failures])
    app[AUTHENTICATOR] = ports.authenticator
    app[TICKETS] = ports.tickets
    app.on_response_prepare.append(add_headers)
    for extend in extensions:
        extend(app)
    tree = route_tree(all_routes(api))
    endpoint = Endpoint(tree, ports.peers, ports.audit, ports.deadlines)
    app.router.add_route("*", "/{path:.*}", endpoint.answer)
    return app
