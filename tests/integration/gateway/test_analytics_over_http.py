"""The analytics of the scripted hour, by every transport of the gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from grpc import aio
from redis.asyncio import Redis

from services.analytics.bootstrap import open_figures
from services.common.grpc_client import open_channel
from services.common.grpc_server import running_server
from services.common.roles import Role, scopes_of
from services.gateway.transcoder.api import Rpc, shipped_api
from tests.fakes import by_hand
from tests.fakes.gateway import KeptAudit, KnownCallers, caller
from tests.fakes.scripted_scene import START_S, US, ZONES, scripted_scene, timestamp
from tests.fakes.stored_scene import store_scene
from tests.integration.gateway.problems import problem
from tests.integration.gateway.running import client, running_gateway

ENVIRONMENT = "scripted"
PERSON = 107
SCENE = scripted_scene()
SPAN_US = START_S * US, (START_S + 3600) * US
RANGE = {
    name: timestamp(time_us).ToJsonString()
    for name, time_us in zip(("start_time", "end_time"), SPAN_US, strict=True)
}
LINES = {"Accept": "application/x-ndjson"}
API = shipped_api()
RPCS = {rpc.name: rpc for rpc in API.rpcs if rpc.audience == "analytics"}
UNARY = sorted(name for name, rpc in RPCS.items() if not rpc.response_streaming)
STREAMS = sorted(name for name, rpc in RPCS.items() if rpc.response_streaming)


@dataclass(frozen=True, slots=True)
class Ways:
    """The service itself, and the gateway before it."""

    channel: aio.Channel
    gateway: str

    def client(self, token: str) -> aiohttp.ClientSession:
        """Return a client of the gateway; of nobody without a token."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return client(self.gateway, headers=headers)

    async def by_grpc(self, rpc: Rpc, request: Message) -> list[Message]:
        """Return what the service answers, in one message or many."""
        codec = {
            "request_serializer": rpc.request.SerializeToString,
            "response_deserializer": rpc.response.FromString,
        }
        if rpc.response_streaming:
            call = self.channel.unary_stream(rpc.path, **codec)(request)
            return [message async for message in call]
        return [await self.channel.unary_unary(rpc.path, **codec)(request)]


@pytest.fixture(scope="module")
def stored(postgres_dsn: str) -> str:
    """Store the hour once."""
    asyncio.run(store_scene(postgres_dsn, ENVIRONMENT, SCENE))
    return postgres_dsn


@pytest.fixture
async def ways(stored: str, redis: Redis) -> AsyncIterator[Ways]:
    """Give a service that has the hour, and a gateway that knows three callers."""
    viewer = scopes_of(Role.VIEWER, ENVIRONMENT)
    callers = KnownCallers(
        {
            "viewer": caller("viewer", {ENVIRONMENT: viewer}),
            "elsewhere": caller("elsewhere", {"plaza": viewer}),
            "useless": caller("useless", {ENVIRONMENT: frozenset({"toys:use"})}),
        }
    )
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        register = await enter(open_figures(stored, by_hand.ABSENCE_US / US))
        address = await enter(running_server(register))
        channel = await enter(open_channel(address))
        addresses = {"analytics": address}
        gateway = running_gateway(API, addresses, callers, KeptAudit(), redis)
        yield Ways(channel, await enter(gateway))


def request_of(rpc: Rpc) -> Message:
    """Return a question about the whole hour that gives every part of an answer."""
    fields: dict[str, Any] = {"environment_id": ENVIRONMENT, **RANGE}
    fields |= {
        "camera_ids": ["east", "west"],
        "zone_ids": sorted(ZONES),
        "timeline_ids": [SCENE.timeline_id],
    }
    if rpc.name in STREAMS:
        fields["global_id"] = PERSON
    if rpc.name == "GetOccupancySeries":
        fields["step"] = "300s"
    names = {field.name for field in rpc.request_type.fields}
    known = {name: value for name, value in fields.items() if name in names}
    return ParseDict(known, rpc.request())


def address_of(rpc: Rpc, request: Message) -> tuple[str, list[tuple[str, str]]]:
    """Return the route and the query that say the same."""
    fields = MessageToDict(request, preserving_proto_field_name=True)
    route = rpc.rules[0].get
    for name in ("environment_id", "global_id"):
        if "{" + name + "}" in route:
            route = route.replace("{" + name + "}", str(fields.pop(name)))
    query = []
    for name, value in fields.items():
        values = value if isinstance(value, list) else [value]
        query += [(name, str(each)) for each in values]
    return route, query


def read(rpc: Rpc, said: dict[str, Any]) -> Message:
    """Return the message that JSON says."""
    return ParseDict(said, rpc.response())


@pytest.mark.parametrize("name", UNARY)
async def test_figures_by_rest(ways: Ways, name: str) -> None:
    """What GET answers is what gRPC does."""
    rpc = RPCS[name]
    request = request_of(rpc)
    route, query = address_of(rpc, request)
    async with ways.client("viewer") as http:
        answer = await http.get(route, params=query)
        assert answer.status == 200, await answer.text()
        told = read(rpc, await answer.json())
    assert [told] == await ways.by_grpc(rpc, request)
    assert told.ByteSize()


@pytest.mark.parametrize("name", STREAMS)
async def test_lists_by_every_stream(ways: Ways, name: str) -> None:
    """WebSocket in JSON, in protobuf, and lines: the messages are those of gRPC."""
    rpc = RPCS[name]
    request = request_of(rpc)
    route, query = address_of(rpc, request)
    expected = await ways.by_grpc(rpc, request)
    assert sum(len(part.ListFields()) for part in expected)
    async with ways.client("viewer") as http:
        async with http.ws_connect(route, params=query) as socket:
            texts = [json.loads(message.data) async for message in socket]
        assert [read(rpc, text) for text in texts] == expected
        async with http.ws_connect(
            route, params=query, protocols=("spoton.protobuf.v1",)
        ) as socket:
            parts = [message.data async for message in socket]
        assert [rpc.response.FromString(part) for part in parts] == expected
        answer = await http.get(route, params=query, headers=LINES)
        lines = [json.loads(line) for line in (await answer.text()).splitlines()]
        assert [read(rpc, line) for line in lines] == expected


@pytest.mark.parametrize(
    ("token", "status"), [("elsewhere", 403), ("useless", 403), ("", 401)]
)
async def test_who_may_not_ask(ways: Ways, token: str, status: int) -> None:
    """Another environment's viewer, one without the scope, and nobody: no figure."""
    async with ways.client(token) as http:
        for rpc in RPCS.values():
            route, query = address_of(rpc, request_of(rpc))
            headers = LINES if rpc.response_streaming else {}
            answer = await http.get(route, params=query, headers=headers)
            await problem(answer, status)


async def test_the_figures_are_those_of_hands(ways: Ways) -> None:
    """Entries, exits, dwell by camera and visits, as JSON, are the script's."""
    visits = by_hand.visits(SCENE)
    async with ways.client("viewer") as http:

        async def told(name: str) -> dict[str, Any]:
            rpc = RPCS[name]
            route, query = address_of(rpc, request_of(rpc))
            said: dict[str, Any] = await (await http.get(route, params=query)).json()
            return said

        crossings = await told("GetCrossings")
        dwell = await told("GetDwell")
        persons = await told("GetUniquePersons")
        journey = RPCS["StreamJourney"]
        route, query = address_of(journey, request_of(journey))
        answer = await http.get(route, params=query, headers=LINES)
        lines = [json.loads(line) for line in (await answer.text()).splitlines()]
    for zone in crossings["zones"]:
        here = [one for one in visits if one.zone == zone["zone_id"]]
        assert int(zone["entries"]) == len(here)
    assert int(persons["persons"]) == len({one.person for one in visits})
    for camera in dwell["cameras"]:
        seen = by_hand.appearances(SCENE, camera["camera_id"])
        assert int(camera["distribution"]["visits"]) == len(seen) > 0
    parts = [read(journey, line) for line in lines]
    walked = [one for one in by_hand.people(SCENE)[PERSON] if one.position_m]
    assert [
        point.capture_time.ToMicroseconds() for part in parts for point in part.points
    ] == [one.time_us for one in walked]
