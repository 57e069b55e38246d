"""What the OpenAPI document says about routes that are written by hand."""

from aiohttp import web
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.gateway.accounts.http import add_routes
from services.gateway.accounts.http_described import PATH_ITEMS
from services.gateway.openapi.document import document
from services.gateway.transcoder.api import shipped_api
from services.gateway.transcoder.routes import all_routes
from services.gateway.transcoder.unary import Deadlines


class Routes:
    """Stands for the routes, none of which is called."""

    log_in = refresh = log_out = token = jwks = None


async def test_every_route_is_described() -> None:
    """No more and no fewer, and the document stays valid."""
    app = web.Application()

    async def nothing(_request: web.Request) -> web.Response:
        return web.Response()

    routes = Routes()
    for name in ("log_in", "refresh", "log_out", "token", "jwks"):
        setattr(routes, name, nothing)
    add_routes(app, routes)
    served = {resource.canonical for resource in app.router.resources()}
    assert served == set(PATH_ITEMS)
    api = shipped_api()
    whole = document(api, all_routes(api), Deadlines(10.0, 20.0), PATH_ITEMS)
    OpenAPIV31SpecValidator(whole).validate()
    assert set(PATH_ITEMS) <= set(whole["paths"])
