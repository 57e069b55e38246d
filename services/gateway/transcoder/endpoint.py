"""Answer a request to any route, by the kind of its RPC."""

import asyncio
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web

from services.gateway.authentication import authenticate_request
from services.gateway.http_errors import HttpProblem, outcome
from services.gateway.request_context import OPERATION
from services.gateway.sockets import wants_socket
from services.gateway.transcoder.admission import Recorder, Visit
from services.gateway.transcoder.lines import LINES_TYPE, Lines
from services.gateway.transcoder.paths import Found, PathTree
from services.gateway.transcoder.routes import Route
from services.gateway.transcoder.socket_streams import SocketStreams
from services.gateway.transcoder.unary import Unary


class Endpoint:
    """Answers whatever the route tree leads to."""

    def __init__(
        self,
        tree: PathTree[Route],
        unary: Unary,
        lines: Lines,
        sockets: SocketStreams,
        audit: Recorder,
    ) -> None:
        self._tree = tree
        self._unary = unary
        self._lines = lines
        self._sockets = sockets
        self._audit = audit
        self._running: set[asyncio.Task[web.StreamResponse]] = set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        found = self._tree.find(request.rel_url.raw_path)
        if found is None:
            raise HttpProblem(HTTPStatus.NOT_FOUND, "there is no such route")
        route = _route(request, found)
        if route is None:
            return _other_method(request, found)
        request[OPERATION] = route.rpc.full_name
        visit = Visit(request, route, found.segments)
        if route.rpc.audited and not route.rpc.response_streaming:
            # Whoever hangs up in time must not have something done unrecorded.
            return await self._to_its_end(self._recorded(visit))
        return await self._recorded(visit)

    async def finish(self, _app: web.Application) -> None:
        """Return when no call goes on whose caller went away."""
        while self._running:
            await asyncio.wait(self._running)

    async def _recorded(self, visit: Visit) -> web.StreamResponse:
        try:
            response = await self._answer(visit)
        except Exception as error:
            await self._audit.record(visit, outcome(error))
            raise
        await self._audit.record(visit, "OK")
        return response

    async def _to_its_end(
        self, answer: Coroutine[Any, Any, web.StreamResponse]
    ) -> web.StreamResponse:
        """Return an answer, and go on with it when its caller goes away."""
        task = asyncio.create_task(answer)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: "asyncio.Task[web.StreamResponse]") -> None:
        """Forget a task; whoever waited for it has its failure."""
        self._running.discard(task)
        if not task.cancelled():
            task.exception()

    async def _answer(self, visit: Visit) -> web.StreamResponse:
        request = visit.request
        if not visit.route.rpc.response_streaming:
            caller = await authenticate_request(request)
            return await self._unary.answer(visit, caller)
        if wants_socket(request) and request.method == hdrs.METH_GET:
            return await self._sockets.answer(visit)
        caller = await authenticate_request(request)
        if visit.route.method == hdrs.METH_GET and not _wants_lines(request):
            await visit.admit(caller)
            raise HttpProblem(
                HTTPStatus.UPGRADE_REQUIRED,
                f"this is a stream: open a WebSocket, or accept {LINES_TYPE}",
                {hdrs.UPGRADE: "websocket", hdrs.CONNECTION: "Upgrade"},
            )
        return await self._lines.answer(visit, caller)


def _wants_lines(request: web.Request) -> bool:
    return LINES_TYPE in request.headers.get(hdrs.ACCEPT, "")


def _route(request: web.Request, found: Found[Route]) -> Route | None:
    """Return the route for the request's method; HEAD is a GET without its body."""
    method = hdrs.METH_GET if request.method == hdrs.METH_HEAD else request.method
    entry = found.by_method.get(method)
    return entry[1] if entry else None


def _other_method(request: web.Request, found: Found[Route]) -> web.Response:
    """Answer a method that the path does not have."""
    allowed = {*found.by_method, hdrs.METH_OPTIONS}
    if hdrs.METH_GET in allowed:
        allowed.add(hdrs.METH_HEAD)
    headers: dict[str, str] = {hdrs.ALLOW: ", ".join(sorted(allowed))}
    if request.method == hdrs.METH_OPTIONS:
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)
    raise HttpProblem(
        HTTPStatus.METHOD_NOT_ALLOWED, f"there is no {request.method} here", headers
    )
