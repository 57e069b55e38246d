"""Which pages may open a WebSocket or ask for pictures in a browser."""

from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from services.gateway.http_errors import HttpProblem


def require_origin(request: web.Request, allowed: Collection[str]) -> None:
    """Return if a request comes from no page, from our own, or from an allowed one.

    Browsers do not keep other pages from opening a WebSocket, so the server must.

    Raises:
        HttpProblem: It comes from another page.
    """
    origins = request.headers.getall(hdrs.ORIGIN, ())
    if not origins:
        return
    own = urlsplit(origins[0]).netloc == request.headers.get(hdrs.HOST)
    if len(origins) > 1 or not (own or origins[0] in allowed):
        raise HttpProblem(
            HTTPStatus.FORBIDDEN, "pages of this origin may not open the connection"
        )
