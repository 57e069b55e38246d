"""Requests that are made to be misread, to inflate, or never to end."""

import asyncio
import gzip
import io
import re
import time
import zlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import hdrs
from grpc import aio
from redis.asyncio import Redis

from services.gateway import request_context
from services.gateway.limits.policy import Rate
from services.gateway.transcoder.api import Api, shipped_api
from tests.fakes.gateway import KeptAudit, KnownCallers
from tests.fakes.limits import PLENTY, policies
from tests.fakes.toy_api import ToyServer
from tests.integration.gateway.conftest import (  # noqa: F401 - fixtures.
    api,
    audit,
    callers,
    redis,
    toy_server,
    toys,
)
from tests.integration.gateway.problems import problem
from tests.integration.gateway.running import client, running_gateway

PLAZA, MALL = "/v1/environments/plaza/toys", "/v1/environments/mall/toys"
BEARER = {"Authorization": "Bearer plaza-token"}
JSON = {"Content-Type": "application/json"}
PURPOSE = {"X-Purpose": "an attack"}
LIMIT_S = 10.0
HEAD = b"Host: gateway\r\nAuthorization: Bearer plaza-token\r\n"


@pytest.fixture(params=[PLENTY], ids=[""])
async def door(
    toy_server: tuple[aio.Server, str],  # noqa: F811 - fixtures.
    api: Api,  # noqa: F811
    callers: KnownCallers,  # noqa: F811
    audit: KeptAudit,  # noqa: F811
    redis: Redis,  # noqa: F811
    request: pytest.FixtureRequest,
) -> AsyncIterator[str]:
    """Give the address of a gateway before toys that count how they are called."""
    addresses = {"toys": toy_server[1]}
    async with running_gateway(
        api, addresses, callers, audit, redis, limits=request.param
    ) as address:
        yield address


async def raw(door: str, sent: bytes) -> bytes:
    """Send bytes, and return all that is answered until the connection ends."""
    host, port = door.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    try:
        async with asyncio.timeout(LIMIT_S):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def first_status(door: str, sent: bytes) -> int:
    """Send bytes, and return the status that is answered while more is waited for."""
    host, port = door.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    async with asyncio.timeout(LIMIT_S):
        (status,) = statuses(await reader.readuntil(b"\r\n\r\n"))
    writer.close()
    return status


def statuses(answers: bytes) -> list[int]:
    """Return the statuses of answers."""
    return [int(one) for one in re.findall(rb"HTTP/1\.[01] (\d+)", answers)]


HIDDEN = b"GET " + PLAZA.encode() + b":search HTTP/1.1\r\n" + HEAD + b"\r\n"
LENGTH_AND_CHUNKS = b"0\r\n\r\n" + HIDDEN

SMUGGLED = {
    "two lengths": b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + HIDDEN,
    "a list of lengths": b"Content-Length: 0, 5\r\n\r\n" + HIDDEN,
    "length and chunks": (
        b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n" + LENGTH_AND_CHUNKS
    ),
    "chunks that are not last": (
        b"Transfer-Encoding: chunked, identity\r\n\r\n" + LENGTH_AND_CHUNKS
    ),
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n" + LENGTH_AND_CHUNKS,
    "a compressed coding": (
        b"Transfer-Encoding: gzip, identity\r\n\r\n" + LENGTH_AND_CHUNKS
    ),
    "a space before the colon": (
        b"Transfer-Encoding : chunked\r\n\r\n" + LENGTH_AND_CHUNKS
    ),
    "a signed length": b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "a hexadecimal length": b"Content-Length: 0x10\r\n\r\n" + HIDDEN,
    "a chunk of a signed size": (
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + HIDDEN
    ),
    "a chunk of no size": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + HIDDEN,
    "a null in a field": b"X-Field: a\0b\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "a line that ends early": b"X-Field: a\rContent-Length: 0\r\n\r\n" + HIDDEN,
    "a field without a name": b": a\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("rest", SMUGGLED.values(), ids=SMUGGLED)
async def test_requests_hidden_in_requests(
    door: str,
    toys: ToyServer,  # noqa: F811
    audit: KeptAudit,  # noqa: F811
    rest: bytes,
) -> None:
    """A request with two readings is refused whole, and the connection ends."""
    begin = b"POST " + PLAZA.encode() + b" HTTP/1.1\r\n"
    json = b"Content-Type: application/json\r\n"
    answers = statuses(await raw(door, begin + HEAD + json + rest))
    assert answers == [400]
    assert (toys.calls, toys.toys, audit.entries) == ([], {}, [])


@pytest.mark.parametrize(
    "line",
    [
        b"GET " + PLAZA.encode() + b":search HTTP/1.1\r\n Folded: a\r\n",
        b"GET " + PLAZA.encode() + b":search HTTP/9.9\r\n",
        b"GET " + PLAZA.encode() + b":search\0 HTTP/1.1\r\n",
        b"G\0T " + PLAZA.encode() + b":search HTTP/1.1\r\n",
    ],
)
async def test_lines_that_are_none(
    door: str,
    toys: ToyServer,  # noqa: F811
    line: bytes,
) -> None:
    """A request line or a field that can be read in two ways is refused."""
    sent = line + HEAD + b"Connection: close\r\n\r\n"
    assert statuses(await raw(door, sent)) == [400]
    assert toys.calls == []


@pytest.mark.parametrize(
    "path",
    [
        "/v1/environments/plaza/../mall/toys:search",
        "/v1/environments/plaza/..;/mall/toys:search",
        "/v1/environments/plaza/%2e%2e/mall/toys:search",
        "/v1/environments/plaza%2f..%2fmall/toys:search",
        "/v1/environments/plaza%2F%2e%2e%2Fmall/toys:search",
        "/v1/environments/plaza%252f..%252fmall/toys:search",
        "/v1/environments/plaza%5c..%5cmall/toys:search",
        "/v1/environments/plaza;/mall/toys:search",
        "/v1/environments/plaza;x=mall/toys:search",
        "/v1/environments/plaza%00mall/toys:search",
        "/v1/environments/mall%00/toys:search",
        "/v1/environments/%2a/toys:search",
        "/v1/environments/*/toys:search",
        "//v1/environments/mall/toys:search",
        "/v1//environments/mall/toys:search",
        "/V1/environments/mall/toys:search",
        "/v1/environments/mall/toys:search?environment_id=plaza",
        "/v1/environments/plaza/toys:search?environment_id=mall",
        "/openapi.json/../v1/environments/mall/toys:search",
        "/docs/..;/v1/environments/mall/toys:search",
        "http://gateway/v1/environments/mall/toys:search",
    ],
)
async def test_paths_that_lead_elsewhere(
    door: str,
    toys: ToyServer,  # noqa: F811
    path: str,
) -> None:
    """However it is written, who may use the plaza reaches no other environment."""
    sent = f"GET {path} HTTP/1.1\r\n".encode() + HEAD + b"Connection: close\r\n\r\n"
    (status,) = statuses(await raw(door, sent))
    assert status in (400, 403, 404)
    assert toys.calls == []


async def test_fields_that_proxies_believe(
    door: str,
    toys: ToyServer,  # noqa: F811
    audit: KeptAudit,  # noqa: F811
) -> None:
    """A path, a method, a host and an address in a field are not looked at."""
    headers = {
        **BEARER,
        **PURPOSE,
        "Host": "evil.example",
        "X-Original-URL": MALL,
        "X-Rewrite-URL": MALL,
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-For": "203.0.113.7",
        "Forwarded": "for=203.0.113.7;host=evil.example",
        "X-Real-IP": "203.0.113.7",
        "X-HTTP-Method-Override": "PATCH",
        "X-HTTP-Method": "DELETE",
        "X-Method-Override": "DELETE",
    }
    async with client(door, headers=headers) as http:
        answer = await http.get(f"{PLAZA}/duck")
        said = str(await problem(answer, 404)) + str(answer.headers)
        assert "evil.example" not in said
        override = await http.get(f"{PLAZA}/duck?_method=DELETE")
        await problem(override, 400, "INVALID_ARGUMENT", field="_method")
    assert toys.calls == ["GetToy"]
    assert {one.address for one in audit.entries} == {"127.0.0.1"}
    assert {one.resource for one in audit.entries} == {f"{PLAZA}/duck"}


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "DELETE", "get"])
async def test_methods_that_are_none(
    door: str,
    toys: ToyServer,  # noqa: F811
    method: str,
) -> None:
    """What no route has is refused, and nothing of the request is sent back."""
    sent = f"{method} {PLAZA}:search HTTP/1.1\r\nX-Mirror: mirrored\r\n".encode()
    answer = await raw(door, sent + HEAD + b"Connection: close\r\n\r\n")
    assert statuses(answer)[0] in (400, 404, 405)
    assert b"mirrored" not in answer
    assert toys.calls == []


@pytest.mark.parametrize(
    "chosen", ["<script>", "a b", "a;b", "x" * 65, "%0d%0aSet-Cookie:a=b", "../etc", ""]
)
async def test_request_ids_that_are_no_names(
    door: str,
    audit: KeptAudit,  # noqa: F811
    chosen: str,
) -> None:
    """They are neither repeated nor written down: the gateway makes one."""
    headers = {**BEARER, **PURPOSE, "X-Request-Id": chosen}
    async with client(door, headers=headers) as http:
        answer = await http.get(f"{PLAZA}/duck")
    made = answer.headers["X-Request-Id"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert [one.request_id for one in audit.entries] == [made]


@pytest.mark.parametrize("door", [policies(address=Rate(5, 60))], indirect=True)
async def test_a_made_up_address_has_no_quota_of_its_own(
    door: str,
    toys: ToyServer,  # noqa: F811
) -> None:
    """Who writes another X-Forwarded-For each time is one address all the same."""
    async with client(door, headers=BEARER) as http:
        answers = [
            await http.get(
                f"{PLAZA}:search", headers={"X-Forwarded-For": f"203.0.113.{number}"}
            )
            for number in range(9)
        ]
    assert [one.status for one in answers] == [200] * 5 + [429] * 4
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert answers[-1].headers["RateLimit-Policy"] == '"address";q=5;w=60'
    assert toys.calls == ["SearchToys"] * 5


def nested(size: int) -> bytes:
    """Return JSON of arrays in arrays, of about a size in bytes."""
    return b"[" * (size // 2) + b"]" * (size // 2)


@pytest.mark.parametrize("shape", ["length", "chunks"])
async def test_ten_megabytes_of_nested_arrays(
    door: str,
    toys: ToyServer,  # noqa: F811
    shape: str,
) -> None:
    """Where bodies are small it is too large, whether or not it says so."""
    begin = b"POST " + PLAZA.encode() + b" HTTP/1.1\r\n" + HEAD
    begin += b"Content-Type: application/json\r\nConnection: close\r\n"
    if shape == "length":
        sent = begin + b"Content-Length: 10485760\r\n\r\n" + b"[" * 1000
    else:
        body = nested(3 << 20)
        head = b"Transfer-Encoding: chunked\r\n\r\n"
        sent = begin + head + b"%x\r\n" % len(body) + body
    assert await first_status(door, sent) == 413
    assert toys.calls == []


async def test_ten_megabytes_of_nested_arrays_where_bodies_are_large(
    callers: KnownCallers,  # noqa: F811
    audit: KeptAudit,  # noqa: F811
    redis: Redis,  # noqa: F811
) -> None:
    """They are nested too deep, which is found at once and without recursion."""
    addresses = dict.fromkeys(shipped_api().audiences, "127.0.0.1:1")
    async with (
        running_gateway(shipped_api(), addresses, callers, audit, redis) as address,
        client(address, headers={"Authorization": "Bearer admin-token"}) as http,
    ):
        begin_s, path = time.monotonic(), "/v1/environments/plaza:import"
        for body in (nested(10 << 20), b'{"document": ' + nested(10 << 20) + b"}"):
            answer = await http.post(path, data=io.BytesIO(body), headers=JSON)
            await problem(answer, 400, "INVALID_ARGUMENT")
        assert time.monotonic() - begin_s < LIMIT_S


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
async def test_a_decompression_bomb(
    door: str,
    toys: ToyServer,  # noqa: F811
    coding: str,
) -> None:
    """Nothing is inflated: whatever is compressed is refused unread."""
    bomb = gzip.compress(b" " * (64 << 20))
    if coding == "deflate":
        bomb = zlib.compress(b" " * (64 << 20))
    headers = {**BEARER, **JSON, "Content-Encoding": coding}
    async with client(door, headers=headers) as http:
        await problem(await http.post(PLAZA, data=io.BytesIO(bomb)), 415)
    assert (toys.calls, toys.toys) == ([], {})


async def test_a_websocket_that_inflates(
    door: str,
    toys: ToyServer,  # noqa: F811
) -> None:
    """Compression of messages is not agreed on, and a compressed one ends it."""
    async with (
        client(door) as http,
        http.ws_connect(f"{PLAZA}:watch", compress=15) as socket,
    ):
        assert not socket.compress
        writer = socket._writer
        bomb = zlib.compress(b'{"access_token": "' + b" " * (1 << 20))[2:-4]
        writer.transport.write(bytes([0xC1, 0xFE]) + len(bomb).to_bytes(2) + bytes(4))
        writer.transport.write(bomb)
        message = await socket.receive(timeout=LIMIT_S)
    assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    assert toys.calls == []


@pytest.mark.parametrize("begun", [b"", b"GET /v1/", b"GET / HTTP/1.1\r\nX-Slow: "])
async def test_a_head_that_never_ends(door: str, begun: bytes) -> None:
    """The connection is cut off; others are served meanwhile."""
    cut_off = asyncio.ensure_future(raw(door, begun))
    async with client(door, headers=BEARER) as http:
        assert (await http.get(f"{PLAZA}:search")).status == 200
    assert statuses(await cut_off) == []


@pytest.mark.parametrize(
    "fields", [b"Content-Length: 9", b"Transfer-Encoding: chunked"]
)
async def test_a_body_that_never_ends(
    door: str,
    toys: ToyServer,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    fields: bytes,
) -> None:
    """It is given up on, and nothing is done with what came."""
    monkeypatch.setattr(request_context, "BODY_S", 0.3)
    sent = b"POST " + PLAZA.encode() + b" HTTP/1.1\r\n" + HEAD
    sent += b"Content-Type: application/json\r\nConnection: close\r\n" + fields
    body = b"\r\n\r\n{" if fields.endswith(b"9") else b"\r\n\r\n1\r\n{\r\n"
    assert await first_status(door, sent + body) == 408
    assert (toys.calls, toys.toys) == ([], {})


async def test_a_page_of_a_foreign_origin_opens_no_stream(
    door: str,
    toys: ToyServer,  # noqa: F811
) -> None:
    """Whatever its visitor could prove: routes of the protos look at it too."""
    headers = {**BEARER, hdrs.ORIGIN: "https://evil.example"}
    async with client(door, headers=headers) as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"{PLAZA}:watch")
    assert refused.value.status == 403
    assert toys.calls == []
