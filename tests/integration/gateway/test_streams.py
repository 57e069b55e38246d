"""Streams over WebSocket, and as lines."""

import asyncio
import json

import aiohttp
import pytest

from services.gateway import authentication
from tests.fakes.gateway import caller
from tests.integration.gateway.problems import problem
from tests.integration.gateway.running import client

WATCH = "/v1/environments/plaza/toys:watch"
LINES = {"Accept": "application/x-ndjson"}


async def test_messages_as_json_and_as_protobuf(
    http: aiohttp.ClientSession, api
) -> None:
    """The subprotocol chooses; JSON is the default."""
    for protocols in ((), ("spoton.json.v1",), ("unknown", "spoton.json.v1")):
        async with http.ws_connect(f"{WATCH}?count=2", protocols=protocols) as socket:
            said = [json.loads(message.data) async for message in socket]
        assert [each["toy"]["toy_id"] for each in said] == ["toy-0", "toy-1"]
        assert socket.close_code == 1000
    (rpc,) = [rpc for rpc in api.rpcs if rpc.name == "WatchToys"]
    url = f"{WATCH}?count=2"
    async with http.ws_connect(url, protocols=("spoton.protobuf.v1",)) as socket:
        kinds = [message async for message in socket]
    assert [rpc.response.FromString(each.data).toy.toy_id for each in kinds] == [
        "toy-0",
        "toy-1",
    ]


async def test_unknown_subprotocols_are_refused(http: aiohttp.ClientSession) -> None:
    """The opening fails, rather than to speak what the client does not."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as failure:
        await http.ws_connect(WATCH, protocols=("graphql-ws",))
    assert failure.value.status == 400


@pytest.mark.parametrize("kind", ["access_token", "ticket"])
async def test_browsers_prove_who_they_are_first(gateway: str, callers, kind) -> None:
    """The first message has the token, or a ticket that holds once."""
    callers.tickets["once"] = callers.tokens["plaza-token"]
    secret = "plaza-token" if kind == "access_token" else "once"
    async with client(gateway) as session:
        async with session.ws_connect(f"{WATCH}?count=1") as socket:
            await socket.send_json({kind: secret})
            assert (await socket.receive_json())["toy"]["toy_id"] == "toy-0"
        if kind == "ticket":
            async with session.ws_connect(f"{WATCH}?count=1") as socket:
                await socket.send_json({kind: secret})
                await _closed(socket, 4401)


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ('{"access_token": "wrong"}', 4401),
        ('{"access_token": 5}', 4401),
        ("hello", 4401),
        ('{"access_token": "plaza-token", "ticket": "x"}', 4401),
        ('{"access_token": "mall-token"}', 4403),
    ],
)
async def test_first_messages_that_open_nothing(
    gateway: str, callers, toys, first: str, code: int
) -> None:
    """The reason comes as a problem, and by the code that closes the socket."""
    callers.tokens["mall-token"] = caller("mall", {"mall": frozenset({"toys:use"})})
    async with (
        client(gateway) as session,
        session.ws_connect(f"{WATCH}?count=1") as socket,
    ):
        await socket.send_str(first)
        await _closed(socket, code)
    assert toys.calls == []


async def test_a_token_in_the_address_is_refused(gateway: str) -> None:
    """Nobody can authenticate where logs would keep the secret."""
    async with client(gateway) as session:
        answer = await session.get(f"{WATCH}?access_token=plaza-token", headers=LINES)
        await problem(answer, 401, "UNAUTHENTICATED")


async def test_foreign_pages_open_no_socket(http: aiohttp.ClientSession) -> None:
    """The origin is checked; pages of the gateway and of the allow-list may."""
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as failure:
            await http.ws_connect(f"{WATCH}?count=1", origin=origin)
        assert failure.value.status == 403
    for origin in ("https://floor.example", str(http._base_url).rstrip("/")):
        async with http.ws_connect(f"{WATCH}?count=1", origin=origin) as socket:
            assert (await socket.receive_json())["toy"]


async def test_a_failure_in_the_stream_is_told(http: aiohttp.ClientSession) -> None:
    """What came before counts, then comes the problem, then the code."""
    async with http.ws_connect(f"{WATCH}?count=1&fail=true") as socket:
        assert (await socket.receive_json())["toy"]["toy_id"] == "toy-0"
        await _closed(socket, 4404)


async def test_a_client_that_leaves_ends_the_call(
    http: aiohttp.ClientSession, toys
) -> None:
    """Closing the socket, or the lines, cancels the call in the service."""
    async with http.ws_connect(WATCH):
        await toys.wait_until_called("WatchToys")
    await toys.wait_until_cancelled()
    toys.cancelled.clear()
    toys.calls.clear()
    reading = asyncio.ensure_future(http.get(WATCH, headers=LINES))
    await toys.wait_until_called("WatchToys")
    reading.cancel()
    await toys.wait_until_cancelled()


async def test_a_client_that_talks_is_closed(http: aiohttp.ClientSession) -> None:
    """A stream takes no messages."""
    async with http.ws_connect(WATCH) as socket:
        await socket.send_str("more")
        await _closed(socket, 4400)


async def test_a_revoked_caller_is_closed(
    http: aiohttp.ClientSession, callers, toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right to read on is checked again and again."""
    monkeypatch.setattr(authentication, "RECHECK_S", 0.05)
    async with http.ws_connect(WATCH) as socket:
        await toys.wait_until_called("WatchToys")
        callers.revoked.add("user-admin")
        await _closed(socket, 4401)


async def test_lines_for_programs(http: aiohttp.ClientSession) -> None:
    """One message a line, and nothing after the last."""
    answer = await http.get(f"{WATCH}?count=2", headers=LINES)
    assert answer.content_type == "application/x-ndjson"
    lines = (await answer.text()).splitlines()
    assert [json.loads(line)["toy"]["toy_id"] for line in lines] == ["toy-0", "toy-1"]


async def test_a_failure_after_lines(http: aiohttp.ClientSession) -> None:
    """The last line tells it, and the connection is cut short."""
    async with http.get(f"{WATCH}?count=1&fail=true", headers=LINES) as answer:
        lines = [json.loads(await answer.content.readline()) for _ in range(2)]
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.readline()
    assert lines[0]["toy"]["toy_id"] == "toy-0"
    assert lines[1]["@error"]["code"] == "NOT_FOUND"


async def test_a_failure_before_lines(http: aiohttp.ClientSession, toys) -> None:
    """A stream that is refused at once has a status of its own."""
    answer = await http.get(f"{WATCH}?count=x", headers=LINES)
    await problem(answer, 400, field="count")


async def test_a_stream_asked_for_as_a_document(http: aiohttp.ClientSession) -> None:
    """It says how to ask."""
    answer = await http.get(f"{WATCH}?count=1")
    await problem(answer, 426)
    assert answer.headers["Upgrade"] == "websocket"


async def _closed(socket: aiohttp.ClientWebSocketResponse, code: int) -> None:
    """Expect the problem, then the code."""
    message = await socket.receive(timeout=5)
    assert message.type is aiohttp.WSMsgType.TEXT, message
    assert json.loads(message.data)["@error"]["status"] == code - 4000
    assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
    assert socket.close_code == code
