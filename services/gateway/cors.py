"""Which pages may use the gateway: an allow-list of origins, and its own."""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from services.common.errors import Forbidden

ORIGINS: web.AppKey[frozenset[str]] = web.AppKey("origins", frozenset)

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS = (
    "Authorization, Content-Type, Idempotency-Key, Request-Timeout, Traceparent, "
    "X-Purpose, X-Request-Id"
)
_ANSWER_HEADERS = "RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
_PREFLIGHT_S = "600"


@web.middleware
async def answer_preflights(
    request: web.Request, handler: Handler
) -> web.StreamResponse:
    """Answer what a browser asks before it sends a request from another origin."""
    if (
        request.method == hdrs.METH_OPTIONS
        and hdrs.ORIGIN in request.headers
        and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    ):
        return web.Response(status=HTTPStatus.NO_CONTENT)
    return await handler(request)


def cors_headers(request: web.Request) -> Mapping[str, str]:
    """Return the headers by which a browser shows an answer to the page that asked."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return {}
    headers: dict[str, str] = {hdrs.VARY: hdrs.ORIGIN}
    if origin not in request.config_dict[ORIGINS]:
        return headers
    headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _ANSWER_HEADERS
    if request.method == hdrs.METH_OPTIONS:
        headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = _METHODS
        headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = _REQUEST_HEADERS
        headers[hdrs.ACCESS_CONTROL_MAX_AGE] = _PREFLIGHT_S
    return headers


def require_known_origin(request: web.Request) -> None:
    """Check a WebSocket's opening, which browsers send from any page.

    Programs send no origin.

    Raises:
        Forbidden: The page is neither of this host nor of the allow-list.
    """
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or origin in request.config_dict[ORIGINS]:
        return
    if urlsplit(origin).netloc != request.host:
        raise Forbidden("pages of this origin may not open a WebSocket here")
