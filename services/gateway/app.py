"""The HTTP application: routes of the protos, and what others add to them."""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from services.gateway.audit import AuditLog
from services.gateway.authentication import (
    AUTHENTICATOR,
    TICKETS,
    Authenticator,
    Tickets,
    Validity,
)
from services.gateway.cors import ORIGINS, answer_preflights
from services.gateway.documentation import DOCUMENTATION_PATHS, add_documentation
from services.gateway.idempotency import KeptAnswers
from services.gateway.limits.admission import (
    LIMITER,
    LOGIN_PATHS,
    admission,
    show_standing,
)
from services.gateway.limits.client_address import Network
from services.gateway.limits.limiter import Limiter
from services.gateway.openapi.document import document
from services.gateway.request_context import add_headers, tell_failures
from services.gateway.sockets import OPEN, close_all
from services.gateway.transcoder.admission import Recorder
from services.gateway.transcoder.api import Api
from services.gateway.transcoder.endpoint import Endpoint
from services.gateway.transcoder.lines import Lines
from services.gateway.transcoder.peers import Peers
from services.gateway.transcoder.routes import Route, all_routes, route_tree
from services.gateway.transcoder.socket_streams import SocketStreams
from services.gateway.transcoder.unary import Deadlines, Unary

DOCUMENTED: web.AppKey[dict[str, dict[str, Any]]] = web.AppKey("documented", dict)
"""By path: OpenAPI path items of routes that are written by hand."""

PUBLIC_KEYS = "/.well-known/jwks.json"
UNCOUNTED = DOCUMENTATION_PATHS | {PUBLIC_KEYS}
"""Paths that answer what is at hand, to everybody, and are not counted."""

Extension = Callable[[web.Application], None]
"""Adds routes that are written by hand, and describes them in `DOCUMENTED`.

They go before those of the protos.
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """What the application stands on.

    Attributes:
        peers: The services.
        authenticator: Knows callers by their tokens.
        tickets: Knows callers by their tickets.
        validity: Knows whether a caller may read on.
        audit: Keeps what must be recorded.
        kept: Answers of creations.
        deadlines: Of unary calls.
        limiter: Counts requests.
        origins: Origins whose pages may use the gateway.
        trusted_proxies: Networks of proxies that are believed.
    """

    peers: Peers
    authenticator: Authenticator
    tickets: Tickets
    validity: Validity
    audit: AuditLog
    kept: KeptAnswers
    deadlines: Deadlines
    limiter: Limiter
    origins: frozenset[str] = frozenset()
    trusted_proxies: tuple[Network, ...] = ()


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
    counting = admission(ports.trusted_proxies, UNCOUNTED)
    app = web.Application(middlewares=[tell_failures, counting, answer_preflights])
    app[LIMITER] = ports.limiter
    app[LOGIN_PATHS] = set()
    app[ORIGINS] = ports.origins
    documented: dict[str, dict[str, Any]] = {}
    app[DOCUMENTED] = documented
    app[OPEN] = weakref.WeakSet()
    app.on_shutdown.append(close_all)
    app[AUTHENTICATOR] = ports.authenticator
    app[TICKETS] = ports.tickets
    app.on_response_prepare.extend((add_headers, show_standing))
    for extend in extensions:
        extend(app)
    routes = all_routes(api)
    described = document(api, routes, ports.deadlines, documented)
    add_documentation(app, described)
    endpoint = _endpoint(routes, ports)
    app.router.add_route("*", r"/{path:[\s\S]*}", endpoint.answer)
    app.on_cleanup.append(endpoint.finish)
    return app


def _endpoint(routes: tuple[Route, ...], ports: Ports) -> Endpoint:
    """Wire what answers the routes of the protos."""
    audit = Recorder(ports.audit)
    return Endpoint(
        route_tree(routes),
        Unary(ports.peers, ports.deadlines, ports.kept),
        Lines(ports.peers, ports.validity, audit),
        SocketStreams(ports.peers, ports.validity, audit),
        audit,
    )
