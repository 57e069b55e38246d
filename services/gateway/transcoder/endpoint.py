"""Answer a request to any route: who, what, may they, call, answer, record."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from aiohttp import hdrs, web
from google.protobuf.message import Message
from google.rpc import code_pb2

from services.common.caller import Caller
from services.common.errors import Forbidden, InvalidInput
from services.gateway import request_context
from services.gateway.audit import AuditEntry, AuditLog
from services.gateway.authentication import authenticate_request
from services.gateway.http_errors import HttpProblem, known_status
from services.gateway.request_context import REQUEST_ID, read_body
from services.gateway.transcoder.messages import message_to_json, off_loop
from services.gateway.transcoder.paths import Found, PathTree
from services.gateway.transcoder.peers import Peers
from services.gateway.transcoder.routes import Route

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a unary call may take.

    Attributes:
        usual_s: When the caller does not say, seconds.
        most_s: At most, seconds.
    """

    usual_s: float
    most_s: float


class Endpoint:
    """Answers whatever the route tree leads to."""

    def __init__(
        self,
        tree: PathTree[Route],
        peers: Peers,
        audit: AuditLog,
        deadlines: Deadlines,
    ) -> None:
        self._tree = tree
        self._peers = peers
        self._audit = audit
        self._deadlines = deadlines

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        found = self._tree.find(request.rel_url.raw_path)
        if found is None:
            raise HttpProblem(HTTPStatus.NOT_FOUND, "there is no such route")
        route = _route(request, found)
        if route is None:
            return _other_method(request, found)
        call = _Call(request)
        try:
            response = await self._serve(request, route, found, call)
        except Exception as error:
            status = known_status(error, request[REQUEST_ID])
            await self._record(route, call, code_pb2.Code.Name(status.code))
            raise
        await self._record(route, call, "OK")
        return response

    async def _serve(
        self, request: web.Request, route: Route, found: Found[Route], call: "_Call"
    ) -> web.StreamResponse:
        call.caller = caller = await authenticate_request(request)
        message = await self._authorised_message(request, route, found, call)
        metadata = self._peers.metadata(
            route.rpc,
            caller,
            request[REQUEST_ID],
            call.purpose,
            request_context.traceparent(request),
        )
        timeout_s = request_context.timeout_s(
            request, self._deadlines.usual_s, self._deadlines.most_s
        )
        answer = await self._peers.call(route.rpc, message, metadata, timeout_s)
        pool = route.requests.pool
        body = await off_loop(answer.ByteSize(), lambda: message_to_json(answer, pool))
        return web.Response(body=body, content_type="application/json")

    async def _authorised_message(
        self, request: web.Request, route: Route, found: Found[Route], call: "_Call"
    ) -> Message:
        """Return the request's message, if the caller may send it.

        Where the path names the environment, nothing of the body is read for a caller
        who may not.
        """
        caller = call.caller
        variable = route.environment_variable
        if variable is not None:
            names = found.segments[variable.begin : variable.end]
            call.environment_id = "/".join(names)
            _require(caller, route, call.environment_id)
        call.purpose = request_context.purpose(request)
        if route.rpc.purpose_required and not call.purpose:
            raise InvalidInput(
                "is required: say why, for the audit log",
                field=request_context.PURPOSE_HEADER,
            )
        body = await read_body(request, route.max_body_bytes)
        query = _query(request)
        message = await off_loop(
            len(body), lambda: route.requests.read(found.segments, query, body)
        )
        if variable is None:
            self._require_named(route, message, call)
        return message

    def _require_named(self, route: Route, message: Message, call: "_Call") -> None:
        """Check the caller against the environment that the message names, if any."""
        if route.environment is None:
            _require(call.caller, route, None)
            return
        call.environment_id = route.environment.value(message)
        if not call.environment_id:
            raise InvalidInput("is required", field=route.environment.path)
        _require(call.caller, route, call.environment_id)

    async def _record(self, route: Route, call: "_Call", outcome: str) -> None:
        if route.rpc.audited:
            await self._audit.record(call.entry(route, outcome))


@dataclass(slots=True)
class _Call:
    """What is known of a call so far.

    Attributes:
        request: The HTTP request.
        caller: Who calls, once known.
        environment_id: What it is about, once known.
        purpose: Why, once known.
    """

    request: web.Request
    caller: Caller | None = None
    environment_id: str = ""
    purpose: str = ""

    def entry(self, route: Route, outcome: str) -> AuditEntry:
        """Return the call's entry in the audit log."""
        caller = self.caller
        return AuditEntry(
            time=datetime.now(UTC),
            subject=caller.subject if caller else "",
            name=caller.name if caller else "",
            kind=caller.kind.value if caller else "",
            action=route.rpc.full_name,
            environment_id=self.environment_id,
            resource=self.request.path,
            purpose=self.purpose,
            outcome=outcome,
            address=self.request.remote or "",
            request_id=self.request[REQUEST_ID],
        )


def _route(request: web.Request, found: Found[Route]) -> Route | None:
    """Return the route for the request's method; HEAD is a GET without its body."""
    method = hdrs.METH_GET if request.method == hdrs.METH_HEAD else request.method
    entry = found.by_method.get(method)
    return entry[1] if entry else None


def _other_method(request: web.Request, found: Found[Route]) -> web.Response:
    """Answer a method that the path does not have."""
    allowed = sorted({*found.by_method, hdrs.METH_OPTIONS})
    if hdrs.METH_GET in allowed:
        allowed.append(hdrs.METH_HEAD)
    headers: dict[str, str] = {hdrs.ALLOW: ", ".join(allowed)}
    if request.method == hdrs.METH_OPTIONS:
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)
    raise HttpProblem(
        HTTPStatus.METHOD_NOT_ALLOWED, f"there is no {request.method} here", headers
    )


def _query(request: web.Request) -> dict[str, list[str]]:
    """Return the values of the query by name."""
    query = request.rel_url.query
    return {name: query.getall(name) for name in query} if query else {}


def _require(caller: Caller | None, route: Route, environment_id: str | None) -> None:
    """Check that the caller holds the route's scope."""
    scope = route.rpc.required_scope
    if caller is None or not caller.holds(scope, environment_id):
        where = f" in {environment_id}" if environment_id else ""
        raise Forbidden(f"this needs the scope {scope}{where}")
