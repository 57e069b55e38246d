"""A creation under a key happens once."""

import asyncio

import aiohttp

from services.common.redis_client import open_redis
from tests.integration.gateway.problems import problem
from tests.integration.gateway.running import client, running_gateway

TOYS = "/v1/environments/plaza/toys"
DUCK = {"toy_id": "duck"}
KEY = {"Idempotency-Key": "first try"}


async def test_a_repetition_answers_the_same(http: aiohttp.ClientSession, toys) -> None:
    """The service is called once, and the second answer says that it is the first."""
    first = await http.post(TOYS, json=DUCK, headers=KEY)
    second = await http.post(TOYS, json=DUCK, headers=KEY)
    assert await first.text() == await second.text()
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert toys.calls == ["CreateToy"]


async def test_a_key_belongs_to_one_request(http: aiohttp.ClientSession, toys) -> None:
    """Another body under the same key is refused."""
    await http.post(TOYS, json=DUCK, headers=KEY)
    await problem(await http.post(TOYS, json={"toy_id": "x"}, headers=KEY), 422)
    assert toys.calls == ["CreateToy"]


async def test_a_key_belongs_to_its_caller(http: aiohttp.ClientSession, toys) -> None:
    """Somebody else's request under the same words is another."""
    await http.post(TOYS, json=DUCK, headers=KEY)
    other = {**KEY, "Authorization": "Bearer plaza-token"}
    answer = await http.post(TOYS, json=DUCK, headers=other)
    assert "Idempotency-Replayed" not in answer.headers
    assert toys.calls == ["CreateToy", "CreateToy"]


async def test_a_repetition_while_the_first_runs(
    http: aiohttp.ClientSession, toys
) -> None:
    """It is refused, and answered once the first is done."""
    toys.hold.clear()
    first = asyncio.ensure_future(http.post(TOYS, json=DUCK, headers=KEY))
    await toys.wait_until_called("CreateToy")
    await problem(await http.post(TOYS, json=DUCK, headers=KEY), 409, "ABORTED")
    toys.hold.set()
    assert (await first).status == 200
    assert (await http.post(TOYS, json=DUCK, headers=KEY)).status == 200
    assert toys.calls == ["CreateToy"]


async def test_a_caller_who_left_learns_what_came_of_it(
    http: aiohttp.ClientSession, toys
) -> None:
    """A creation goes on when its caller leaves, and its answer is kept."""
    toys.hold.clear()
    first = asyncio.ensure_future(http.post(TOYS, json=DUCK, headers=KEY))
    await toys.wait_until_called("CreateToy")
    first.cancel()
    toys.hold.set()
    async with asyncio.timeout(5):
        while (answer := await http.post(TOYS, json=DUCK, headers=KEY)).status == 409:
            await asyncio.sleep(0.01)
    assert answer.headers["Idempotency-Replayed"] == "true"
    assert toys.calls == ["CreateToy"]


async def test_a_failure_gives_the_key_back(http: aiohttp.ClientSession, toys) -> None:
    """What did not happen may be tried again."""
    bad = {"toy_id": "duck", "weight_g": -1}
    for _ in range(2):
        answer = await http.post(TOYS, json=bad, headers=KEY)
        await problem(answer, 400, field="toy.weight_g")
    assert toys.calls == ["CreateToy", "CreateToy"]


async def test_without_redis_once_is_not_promised(
    toy_server, toys, api, callers, audit
) -> None:
    """The creation is refused rather than to happen perhaps twice."""
    addresses = {"toys": toy_server[1]}
    headers = {"Authorization": "Bearer admin-token"}
    async with (
        open_redis("redis://127.0.0.1:1") as away,
        running_gateway(api, addresses, callers, audit, away) as address,
        client(address, headers=headers) as http,
    ):
        answer = await http.post(TOYS, json=DUCK, headers=KEY)
        await problem(answer, 503, "UNAVAILABLE")
    assert toys.calls == []


async def test_keys_that_are_none(http: aiohttp.ClientSession, toys) -> None:
    """An empty or endless key is refused by name."""
    for key in ("", "x" * 256, "é"):
        headers = {"Idempotency-Key": key}
        answer = await http.post(TOYS, json=DUCK, headers=headers)
        await problem(answer, 400, field="Idempotency-Key")
    assert toys.calls == []
