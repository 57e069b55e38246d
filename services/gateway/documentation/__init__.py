"""The API's document and a page to read it: the only routes that are open to all."""

from pathlib import Path
from typing import Any

from aiohttp import hdrs, web

from services.gateway.json_text import json_bytes

_FOLDER = Path(__file__).parent
_FILES = {
    "/docs": ("page.html", "text/html"),
    "/docs/page.js": ("page.js", "text/javascript"),
    "/docs/page.css": ("page.css", "text/css"),
}
DOCUMENTATION_PATHS = frozenset({"/openapi.json", *_FILES})
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def add_documentation(app: web.Application, document: dict[str, Any]) -> None:
    """Add /openapi.json and /docs."""
    body = json_bytes(document)

    async def openapi(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app.router.add_get("/openapi.json", openapi)
    for path, (name, content_type) in _FILES.items():
        _add_file(app, path, (_FOLDER / name).read_bytes(), content_type)


def _add_file(app: web.Application, path: str, body: bytes, content_type: str) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(
            body=body,
            content_type=content_type,
            charset="utf-8",
            headers={str(hdrs.CONTENT_SECURITY_POLICY): _POLICY},
        )

    app.router.add_get(path, answer)
