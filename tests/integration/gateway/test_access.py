"""Who may do what, and from which page."""

import asyncio

import aiohttp
import pytest

from services.gateway.audit import AuditEntry
from tests.integration.gateway.problems import problem
from tests.integration.gateway.running import client

TOYS = "/v1/environments/{}/toys"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer " + "x" * 16_000 + "y" * 300},
    ],
)
async def test_nobody_gets_in(gateway: str, toys, headers: dict[str, str]) -> None:
    """Without a valid token every route answers 401, whatever else is sent."""
    async with client(gateway, headers=headers) as session:
        answers = [
            await session.post(TOYS.format("plaza"), json={}),
            await session.get(TOYS.format("plaza") + ":search?what=ever"),
            await session.get(TOYS.format("plaza") + ":watch"),
        ]
    for answer in answers:
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="spoton"'
        await problem(answer, 401, "UNAUTHENTICATED")
    assert toys.calls == []


async def test_two_authorizations_are_refused(gateway: str) -> None:
    """Nobody can say one thing to a proxy and another to the gateway."""
    headers = [("Authorization", "Bearer admin-token"), ("Authorization", "Bearer x")]
    async with client(gateway, headers=headers) as session:
        answer = await session.get(TOYS.format("plaza") + ":search")
        await problem(answer, 401, "UNAUTHENTICATED")


async def test_another_environment_is_forbidden(gateway: str, toys, audit) -> None:
    """A scope in one environment is none in another, and the refusal is recorded."""
    headers = {"Authorization": "Bearer plaza-token", "X-Purpose": "a test"}
    async with client(gateway, headers=headers) as session:
        assert (await session.get(TOYS.format("plaza") + ":search")).status == 200
        answer = await session.get(TOYS.format("mall") + "/duck")
        await problem(answer, 403, "PERMISSION_DENIED")
        body = {"environment_id": "mall"}
        answer = await session.post(TOYS.format("plaza"), json=body)
        await problem(answer, 400, "INVALID_ARGUMENT", field="toy.environment_id")
    assert toys.calls == ["SearchToys"]
    entry: AuditEntry = audit.entries[0]
    assert (entry.outcome, entry.environment_id) == ("PERMISSION_DENIED", "mall")


async def test_pages_of_the_allow_list_may_read(http: aiohttp.ClientSession) -> None:
    """A browser is told so before and with the answer; other pages are not."""
    url = TOYS.format("plaza") + ":search"
    asking = {
        "Origin": "https://floor.example",
        "Access-Control-Request-Method": "POST",
    }
    preflight = await http.options(url, headers=asking)
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://floor.example"
    assert "Idempotency-Key" in preflight.headers["Access-Control-Allow-Headers"]
    answer = await http.get(url, headers={"Origin": "https://floor.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://floor.example"
    assert answer.headers["Vary"] == "Origin"
    for origin in ("https://evil.example", "null", "https://floor.example.evil"):
        answer = await http.get(url, headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_every_answer_has_safe_headers(http: aiohttp.ClientSession) -> None:
    """Answers are no pages, are not kept, and do not say what serves them."""
    for url in (TOYS.format("plaza") + ":search", "/nothing"):
        headers = (await http.get(url)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Server"] == "spoton"


@pytest.mark.parametrize(
    "begun", [b"", b"GET /v1/", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "]
)
async def test_a_head_that_does_not_come_is_cut_off(gateway: str, begun: bytes) -> None:
    """A connection that never finishes its head is closed."""
    host, port = gateway.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(begun)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_what_is_no_http_is_a_problem(gateway: str) -> None:
    """Even a request that cannot be parsed is answered as a problem."""
    host, port = gateway.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert b" 400 Bad Request" in answer
    assert b"application/problem+json" in answer
    writer.close()
