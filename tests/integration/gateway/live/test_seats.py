"""How many may watch an environment, whatever they watch."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from services.common.redis_client import open_redis
from services.gateway.limits.viewers import Viewers
from tests.fakes.live_gateway import (
    BEARER,
    LiveGateway,
    live_gateway,
    received,
    subscribed,
)

LIMIT_S = 15.0
TOO_MANY = 4429


@pytest.fixture
async def gateway(
    addresses: dict[str, str], valkey_url: str
) -> AsyncIterator[LiveGateway]:
    """Give a gateway with one seat in each environment."""
    async with (
        open_redis(valkey_url) as redis,
        live_gateway(addresses, redis, Viewers(redis, most=1)) as running,
    ):
        yield running


async def close_code(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    """Return the code with which a WebSocket is closed."""
    async with asyncio.timeout(LIMIT_S):
        async for _ in socket:
            pass
    return socket.close_code


async def is_admitted(gateway: LiveGateway, environment_id: str) -> bool:
    """Return whether another one may watch now."""
    async with gateway.live(environment_id) as socket:
        await socket.send_json({"subscribe": {}})
        async for message in socket:
            if "subscribed" in json.loads(message.data):
                return True
    return False


async def test_all_who_watch_share_the_seats(
    gateway: LiveGateway, environment_id: str
) -> None:
    """While one watches live, the routes of the protos and pictures are refused."""
    environment = f"/v1/environments/{environment_id}"
    async with gateway.live(environment_id) as first:
        await subscribed(first)
        async with gateway.live(environment_id) as second:
            assert await close_code(second) == TOO_MANY
        path = environment + "/tracking:watch"
        async with gateway.http.ws_connect(path, headers=BEARER) as third:
            assert await close_code(third) == TOO_MANY
        path = environment + "/cameras/north/preview.mjpeg"
        async with gateway.http.get(path, headers=BEARER) as picture:
            assert picture.status == 429
        async with gateway.live(f"{environment_id}-other") as elsewhere:
            await received(elsewhere, "welcome")


async def test_who_leaves_makes_room(gateway: LiveGateway, environment_id: str) -> None:
    """The seat of one who watched by the protos' route is free afterwards."""
    path = f"/v1/environments/{environment_id}/tracking:watch"
    await gateway.publish(environment_id, range(1, 3))
    async with gateway.http.ws_connect(path, headers=BEARER) as watching:
        await watching.receive_str(timeout=LIMIT_S)
        async with gateway.live(environment_id) as refused:
            assert await close_code(refused) == TOO_MANY
    async with asyncio.timeout(LIMIT_S):
        while not await is_admitted(gateway, environment_id):
            pass
