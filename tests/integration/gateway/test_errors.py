"""Failures are told as problems that name what is wrong."""

import asyncio
import io
from collections.abc import AsyncIterator

import aiohttp
import pytest
from yarl import URL

from tests.integration.gateway.problems import problem
from tests.integration.gateway.running import client

TOYS = "/v1/environments/plaza/toys"
PURPOSE = {"X-Purpose": "a test"}


async def test_errors_of_services_keep_their_details(
    http: aiohttp.ClientSession,
) -> None:
    """A field violation of the service reaches the caller with the field's name."""
    answer = await http.post(TOYS, json={"toy_id": "duck", "weight_g": -1})
    said = await problem(answer, 400, "INVALID_ARGUMENT")
    assert said["details"] == [
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "field_violations": [
                {"field": "toy.weight_g", "description": "must not be negative"}
            ],
        }
    ]


async def test_what_a_service_must_not_tell_stays_secret(
    http: aiohttp.ClientSession,
) -> None:
    """An internal error has a fixed text and the request's id."""
    answer = await http.get(f"{TOYS}/broken", headers=PURPOSE)
    said = await problem(answer, 500, "INTERNAL")
    assert said["detail"] == f"internal error, request {said['request_id']}"
    assert answer.headers["X-Request-Id"] == said["request_id"]


async def test_a_service_that_is_away(
    http: aiohttp.ClientSession, toys, toy_server
) -> None:
    """It is told without addresses, and when to try again."""
    await toy_server[0].stop(0)
    answer = await http.get(f"{TOYS}/duck", headers=PURPOSE)
    said = await problem(answer, 503, "UNAVAILABLE")
    assert said["detail"] == "the service is away"
    assert answer.headers["Retry-After"] == "1"


async def test_a_service_that_is_slow(http: aiohttp.ClientSession, toys) -> None:
    """The caller's deadline ends the call, in the service too."""
    toys.hold.clear()
    headers = {**PURPOSE, "Request-Timeout": "0.2"}
    answer = await http.get(f"{TOYS}/duck", headers=headers)
    await problem(answer, 504, "DEADLINE_EXCEEDED")
    await toys.wait_until_cancelled()


async def test_a_caller_who_leaves(http: aiohttp.ClientSession, toys) -> None:
    """A connection that closes cancels the call in the service."""
    toys.hold.clear()
    with pytest.raises(TimeoutError):
        await http.get(
            f"{TOYS}:search",
            timeout=aiohttp.ClientTimeout(total=0.2),
        )
    await toys.wait_until_cancelled()


async def test_a_caller_who_leaves_is_recorded_all_the_same(
    http: aiohttp.ClientSession, toys, audit
) -> None:
    """An audited call goes on to its end, and to its entry."""
    assert (await http.post(TOYS, json={"toy_id": "duck"})).status == 200
    toys.hold.clear()
    with pytest.raises(TimeoutError):
        await http.get(
            f"{TOYS}/duck",
            headers=PURPOSE,
            timeout=aiohttp.ClientTimeout(total=0.2),
        )
    await toys.wait_until_called("GetToy")
    toys.hold.set()
    async with asyncio.timeout(5):
        while not audit.entries:
            await asyncio.sleep(0.005)
    assert [one.outcome for one in audit.entries] == ["OK"]
    assert not toys.cancelled.is_set()


async def test_nobody_fills_the_audit_log(gateway: str, audit) -> None:
    """Calls without a valid token are refused and not recorded."""
    async with client(gateway) as session:
        answer = await session.get(f"{TOYS}/duck", headers=PURPOSE)
    await problem(answer, 401, "UNAUTHENTICATED")
    assert audit.entries == []


@pytest.mark.parametrize("text", ["0", "-1", "1e9", "soon", "nan"])
async def test_a_deadline_that_is_none(http: aiohttp.ClientSession, text) -> None:
    """The header is named."""
    headers = {**PURPOSE, "Request-Timeout": text}
    answer = await http.get(f"{TOYS}/duck", headers=headers)
    await problem(answer, 400, "INVALID_ARGUMENT", field="Request-Timeout")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"colr": "COLOUR_RED"}', "toy.colr"),
        ('{"colour": "COLOUR_PINK"}', "toy.colour"),
        ('{"weight_g": "heavy"}', "toy.weight_g"),
        ('{"weight_g": 1.5}', "toy.weight_g"),
        ('{"weight_g": 9223372036854775808}', "toy.weight_g"),
        ('{"parts": [{}, {"colour": "x"}]}', "toy.parts[1].colour"),
        ('{"parts": {}}', "toy.parts"),
        ('{"picture": 3}', "toy.picture"),
        ('{"bought_time": "yesterday"}', "toy.bought_time"),
        ('{"runs_on": "air", "pulled_by": "me"}', "toy.pulled_by"),
        ('{"toy_id": "a", "toy_id": "b"}', "toy_id"),
        ('{"environment_id": "elsewhere"}', "toy.environment_id"),
        ('{"toy_id": "\\ud800"}', "toy.toy_id"),
        ("[]", "toy"),
    ],
)
async def test_bodies_that_cannot_be_used(
    http: aiohttp.ClientSession, toys, body: str, field: str
) -> None:
    """The field is named, and nothing reaches the service."""
    headers = {"Content-Type": "application/json"}
    answer = await http.post(TOYS, data=body, headers=headers)
    await problem(answer, 400, "INVALID_ARGUMENT", field=field)
    assert toys.calls == []


@pytest.mark.parametrize(
    "body", [b"{", b'{"weight_g": NaN}', b"\xff", b"", b"9" * 5000, b"[" * 100_000]
)
async def test_bodies_that_are_no_json(
    http: aiohttp.ClientSession, toys, body: bytes
) -> None:
    """They are refused; an empty body is an empty message."""
    headers = {"Content-Type": "application/json"}
    answer = await http.post(TOYS, data=body, headers=headers)
    assert answer.status == (200 if body == b"" else 400), await answer.text()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=COLOUR_RED", "colour"),
        ("colours=COLOUR_PINK", "colours"),
        ("like.toy_id=a&like.toy_id=b", "like.toy_id"),
        ("like.wound_up=perhaps", "like.wound_up"),
        ("like.runs_on=air&like.pulled_by=me", "like.pulled_by"),
        ("since=yesterday", "since"),
        ("like.parts=duck", "like.parts"),
        ("environment_id=elsewhere", "environment_id"),
        ("access_token=secret", "access_token"),
    ],
)
async def test_addresses_that_cannot_be_used(
    http: aiohttp.ClientSession, toys, query: str, field: str
) -> None:
    """The parameter is named, and nothing reaches the service."""
    answer = await http.get(f"{TOYS}:search?{query}")
    await problem(answer, 400, "INVALID_ARGUMENT", field=field)
    assert toys.calls == []


async def test_bodies_have_a_bound(http: aiohttp.ClientSession, toys) -> None:
    """A large body is refused by its stated length, and by what comes."""
    large = b'{"toy_id": "' + b"x" * 1_100_000 + b'"}'
    headers = {"Content-Type": "application/json"}

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 65_536):
            yield large[start : start + 65_536]

    for data in (io.BytesIO(large), pieces()):
        answer = await http.post(TOYS, data=data, headers=headers)
        await problem(answer, 413)
    assert toys.calls == []


async def test_bodies_of_other_kinds(http: aiohttp.ClientSession) -> None:
    """Forms are refused, and so is what would have to be decompressed."""
    await problem(await http.post(TOYS, data={"toy_id": "duck"}), 415)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    await problem(await http.post(TOYS, data=b"x", headers=headers), 415)


async def test_a_body_where_none_belongs(http: aiohttp.ClientSession) -> None:
    """A GET with a body is refused."""
    headers = {**PURPOSE, "Content-Type": "application/json"}
    answer = await http.get(f"{TOYS}/duck", data=b"{}", headers=headers)
    await problem(answer, 400, "INVALID_ARGUMENT")


async def test_routes_and_methods_that_are_none(http: aiohttp.ClientSession) -> None:
    """They are problems too; what is allowed is listed."""
    await problem(await http.get("/v1/nothing"), 404)
    answer = await http.delete(f"{TOYS}/duck")
    await problem(answer, 405)
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, PATCH"
    answer = await http.options(f"{TOYS}/duck")
    assert (answer.status, answer.headers["Allow"]) == (
        204,
        "GET, HEAD, OPTIONS, PATCH",
    )


async def test_head_is_get_without_a_body(http: aiohttp.ClientSession, toys) -> None:
    """Status and headers are those of GET."""
    await http.post(TOYS, json={"toy_id": "duck"})
    got = await http.get(f"{TOYS}/duck", headers=PURPOSE)
    head = await http.head(f"{TOYS}/duck", headers=PURPOSE)
    assert (head.status, await head.read()) == (200, b"")
    assert head.headers["Content-Length"] == str(len(await got.read()))


@pytest.mark.parametrize(
    "segment", ["%2e%2e", "a%2Fb", "a%5Cb", "a%00", "%ff", "a%0d%0ab", "%e2%80%ae"]
)
async def test_paths_that_could_be_read_otherwise(
    gateway: str, toys, segment: str
) -> None:
    """No encoded slash, dot segment or control character reaches a service."""
    headers = {"Authorization": "Bearer admin-token", **PURPOSE}
    url = URL(f"{gateway}{TOYS}/{segment}", encoded=True)
    async with client(headers=headers) as session:
        await problem(await session.get(url), 400, "INVALID_ARGUMENT", field="path")
    assert toys.calls == []
