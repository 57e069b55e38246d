"""Every route and every WebSocket, asked for by every role and by nobody."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import hdrs
from grpc import aio
from redis.asyncio import Redis

from services.common.caller import EVERY_ENVIRONMENT, Caller, CallerKind
from services.common.grpc_client import open_channel
from services.common.grpc_server import running_server
from services.common.mesh.methods import declared_methods
from services.common.roles import PERSONAL_SCOPES, Role, scopes_of
from services.gateway.credentials import Metadata
from services.gateway.live import pictures
from services.gateway.live.pipeline_source import PipelineSource
from services.gateway.live.routes import live_routes
from services.gateway.live.tickets import RedisTickets
from services.gateway.transcoder.api import Rpc, shipped_api
from services.gateway.transcoder.requests import WHOLE
from services.gateway.transcoder.routes import Route, all_routes
from tests.fakes.gateway import KeptAudit, KnownCallers
from tests.fakes.mesh import FakeMesh, make_mesh, user
from tests.integration.gateway.running import client, running_gateway

declared_methods()  # The mesh knows the protos that are imported.
MINE, THEIRS = "plaza", "factory"
API = shipped_api()
ROUTES = all_routes(API)
AT_ONCE = 16
LIVE = "/v1/environments/{environment_id}"
WRITTEN_BY_HAND = {
    f"{LIVE}/live": ("tracking:read", True),
    f"{LIVE}/cameras/north/preview": ("pictures:read", True),
    f"{LIVE}/cameras/north/preview.mjpeg": ("pictures:read", False),
    f"{LIVE}/cameras/north/snapshot.jpg": ("pictures:read", False),
    f"{LIVE}/identities/7/crop.jpg": ("identities:read", False),
}
"""By path of a route that no proto declares: its scope, and whether it is a socket."""


@dataclass(frozen=True, slots=True)
class Doors:
    """A gateway before services that answer everything with nothing.

    Attributes:
        address: Where it is.
        audit: What it recorded.
        answered: Full names of the RPCs that services were asked for.
    """

    address: str
    audit: KeptAudit
    answered: set[str]


def _callers() -> Iterator[tuple[str, Caller]]:
    """Yield by token: each role in one environment and in all, and some others."""
    for role in Role:
        for where in (MINE, EVERY_ENVIRONMENT):
            grants = {where: set(scopes_of(role, where))}
            grants.setdefault(EVERY_ENVIRONMENT, set()).update(PERSONAL_SCOPES)
            yield (
                f"{role}-{'all' if where == EVERY_ENVIRONMENT else 'one'}",
                user(grants),
            )
    foreign = {THEIRS: set(scopes_of(Role.ADMIN, THEIRS))}
    yield "foreign", user(foreign | {EVERY_ENVIRONMENT: set(PERSONAL_SCOPES)})
    yield "program", replace(user({}), kind=CallerKind.SERVICE_ACCOUNT)


CALLERS = dict(_callers())


class _Everything:
    """Shows every service the caller, as one member of the mesh serves them all."""

    def __init__(self, members: FakeMesh) -> None:
        self._identity = members.identity("gateway")

    def metadata(self, audience: str, caller: Caller) -> Metadata:
        return self._identity.metadata("everything", caller)


def _nothing(rpc: Rpc, answered: set[str]) -> grpc.RpcMethodHandler:
    """Return what answers an RPC with an empty message."""

    async def one(_request: Any, _context: Any) -> Any:
        answered.add(rpc.full_name)
        return rpc.response()

    async def many(_request: Any, _context: Any) -> AsyncIterator[Any]:
        answered.add(rpc.full_name)
        yield rpc.response()

    make: Any = (
        grpc.unary_stream_rpc_method_handler
        if rpc.response_streaming
        else grpc.unary_unary_rpc_method_handler
    )
    return make(
        many if rpc.response_streaming else one,
        request_deserializer=rpc.request.FromString,
        response_serializer=rpc.response.SerializeToString,
    )


@pytest.fixture
async def doors(tmp_path: Path, redis: Redis, audit: KeptAudit) -> AsyncIterator[Doors]:
    """Give a gateway whose services check the caller too, and then do nothing."""
    members, answered = make_mesh(tmp_path), set[str]()
    handlers: dict[str, dict[str, grpc.RpcMethodHandler]] = {}
    for rpc in API.rpcs:
        if not rpc.request_streaming:
            handlers.setdefault(rpc.service, {})[rpc.name] = _nothing(rpc, answered)

    def register(server: aio.Server) -> list[str]:
        for service, methods in handlers.items():
            generic = grpc.method_handlers_generic_handler(service, methods)
            server.add_generic_rpc_handlers((generic,))
        return list(handlers)

    callers, credentials = KnownCallers(CALLERS), _Everything(members)
    async with running_server(register, members.policy("everything")) as services:
        addresses = dict.fromkeys(API.audiences, services)
        source = PipelineSource(open_channel, services)
        tickets = RedisTickets(redis, callers)
        async with running_gateway(
            API,
            addresses,
            callers,
            audit,
            redis,
            credentials,
            extend=lambda peers: live_routes(
                peers, source, credentials, tickets, audit
            ),
        ) as address:
            yield Doors(address, audit, answered)


def _nested(path: str, value: str) -> dict[str, Any]:
    """Return an object in which a path of fields leads to a value."""
    said: Any = value
    for name in reversed(path.split(".")):
        said = {name: said}
    return dict(said)


def _request(route: Route, environment_id: str) -> tuple[str, dict[str, Any]]:
    """Return the path of a request about an environment, and what goes with it."""
    segments = list(route.template.segments)
    field, body = route.rpc.environment_field, route.rule.body
    named = False
    for variable in route.template.variables:
        is_environment = variable.field_path == field
        named |= is_environment
        for place in range(variable.begin, variable.end):
            if segments[place] in ("*", "**"):
                segments[place] = environment_id if is_environment else "7"
    verb = f":{route.template.verb}" if route.template.verb else ""
    path = "/" + "/".join(segments) + verb
    more: dict[str, Any] = {"json": {}} if body else {}
    if field and not named:
        inside = body and (body == WHOLE or field.startswith(f"{body}."))
        if inside:
            within = field if body == WHOLE else field.removeprefix(f"{body}.")
            more["json"] = _nested(within, environment_id)
        else:
            more["params"] = {field: environment_id}
    return path, more


async def _ask(
    http: aiohttp.ClientSession, route: Route, environment_id: str
) -> HTTPStatus:
    """Return the status that a route answers with."""
    path, more = _request(route, environment_id)
    headers = {"X-Purpose": "a test"}
    async with http.request(route.method, path, headers=headers, **more) as answer:
        return HTTPStatus(answer.status)


async def _open(http: aiohttp.ClientSession, path: str) -> HTTPStatus:
    """Return the status that the opening of a WebSocket is answered with."""
    try:
        # The gateway may be waiting for a service, and closes in its own time.
        patience = aiohttp.ClientWSTimeout(ws_close=0.05)
        headers = {"X-Purpose": "a test"}
        async with http.ws_connect(path, headers=headers, timeout=patience):
            return HTTPStatus.SWITCHING_PROTOCOLS
    except aiohttp.WSServerHandshakeError as refused:
        return HTTPStatus(refused.status)


def _expected(status: HTTPStatus, caller: Caller | None, *, allowed: bool) -> bool:
    """Return whether a status is the right one."""
    if caller is None:
        return status is HTTPStatus.UNAUTHORIZED
    if not allowed:
        return status is HTTPStatus.FORBIDDEN
    return status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) and (
        status is not HTTPStatus.INTERNAL_SERVER_ERROR
    )


def _headers(token: str) -> Mapping[str, str]:
    return {hdrs.AUTHORIZATION: f"Bearer {token}"} if token else {}


@pytest.mark.parametrize("token", [*CALLERS, ""], ids=lambda one: one or "nobody")
async def test_each_route_answers_whom_its_table_says(doors: Doors, token: str) -> None:
    """No more and no less, here and elsewhere; who is refused reaches no service."""
    caller = CALLERS.get(token)
    turns, wrong, may_reach = asyncio.Semaphore(AT_ONCE), [], set()

    async def check(route: Route, where: str) -> None:
        rpc = route.rpc
        allowed = caller is not None and caller.holds(
            rpc.required_scope, where if rpc.environment_field else None
        )
        if allowed:
            may_reach.add(rpc.full_name)
        async with turns:
            statuses = [await _ask(http, route, where)]
            if rpc.response_streaming and route.method == hdrs.METH_GET:
                path, more = _request(route, where)
                assert not more
                statuses.append(await _open(http, path))
        wrong.extend(
            (route.method, str(route), where, status.value)
            for status in statuses
            if not (
                _expected(status, caller, allowed=allowed)
                # A WebSocket that brings no header is refused by its first message.
                or (not token and status is HTTPStatus.SWITCHING_PROTOCOLS)
            )
        )

    async with client(doors.address, headers=_headers(token)) as http:
        await asyncio.gather(
            *(check(route, where) for route in ROUTES for where in (MINE, THEIRS))
        )
    assert wrong == []
    assert doors.answered <= may_reach
    refused = {one.action for one in doors.audit.entries if one.outcome != "OK"}
    audited = {route.rpc.full_name for route in ROUTES if route.rpc.audited}
    if caller is None:
        assert doors.audit.entries == []
    elif token == "program":  # noqa: S105 - a name.
        assert refused == audited
    elif token == f"{Role.ADMIN}-all":
        noted = {one.action for one in doors.audit.entries}
        mesh_only = {"spoton.accounts.v1.AccountsService.AppendAuditEntries"}
        assert noted | mesh_only >= audited


@pytest.mark.parametrize("token", [*CALLERS, ""], ids=lambda one: one or "nobody")
async def test_routes_written_by_hand_ask_for_their_scope(
    doors: Doors, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live events, previews, snapshots and crops: in their environment only."""
    # Nobody shows a picture here, and it need not be asked for again.
    monkeypatch.setattr(pictures, "_TRIES", 0)
    caller, wrong = CALLERS.get(token), []
    async with client(doors.address, headers=_headers(token)) as http:
        for path, (scope, is_socket) in WRITTEN_BY_HAND.items():
            for where in (MINE, THEIRS):
                url = path.format(environment_id=where)
                allowed = caller is not None and caller.holds(scope, where)
                if is_socket:
                    status = await _open(http, url)
                else:
                    async with http.get(url, headers={"X-Purpose": "a test"}) as answer:
                        status = HTTPStatus(answer.status)
                unproved = is_socket and not token
                if unproved and status is HTTPStatus.SWITCHING_PROTOCOLS:
                    continue
                if not _expected(status, caller, allowed=allowed):
                    wrong.append((path, where, status.value))
        async with http.post("/v1/auth/tickets", json={"purpose": "watch"}) as answer:
            assert answer.status == (200 if token else 401)
    assert wrong == []


@pytest.mark.parametrize("ending", ["closes", "says nothing that proves anything"])
async def test_a_socket_without_proof_shows_nothing(doors: Doors, ending: str) -> None:
    """What was opened without a header ends with 4401, and no service was asked."""
    paths = [
        _request(route, MINE)[0]
        for route in ROUTES
        if route.rpc.response_streaming and route.method == hdrs.METH_GET
    ]
    paths += [
        path.format(environment_id=MINE)
        for path, (_, is_socket) in WRITTEN_BY_HAND.items()
        if is_socket
    ]
    async with client(doors.address) as http:
        for path in paths:
            async with http.ws_connect(path) as socket:
                if ending == "closes":
                    await socket.close()
                    continue
                await socket.send_str('{"access_token": "made up"}')
                message = await socket.receive(timeout=10)
                while message.type is aiohttp.WSMsgType.TEXT:
                    assert "@error" in message.data
                    message = await socket.receive(timeout=10)
                assert socket.close_code == 4401, path
    assert doors.answered == set()
    assert doors.audit.entries == []
