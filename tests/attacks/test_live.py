"""Attacks on live WebSockets: each is refused, and others notice nothing."""

import asyncio
import base64
import secrets

import aiohttp
import pytest
from aiohttp import WSMsgType

from services.gateway.live import socket as live_socket
from services.gateway.live.viewer import Viewer
from tests.fakes.live_gateway import (
    BEARER,
    FLOOR_PAGE,
    LiveGateway,
    frame_sets,
    received,
    subscribed,
)

LIMIT_S = 30.0


async def never_reading(
    gateway: LiveGateway, environment_id: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a WebSocket, subscribe, and read nothing after the answer's head."""
    url = gateway.http._base_url
    reader, writer = await asyncio.open_connection(url.host, url.port, limit=1024)
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    writer.write(
        f"GET /v1/environments/{environment_id}/live HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer viewer\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head.split(b"\r\n")[0]
    subscribe = b'{"subscribe": {}}'
    writer.write(bytes([0x81, 0x80 | len(subscribe), 0, 0, 0, 0]) + subscribe)
    return reader, writer


async def test_a_websocket_that_never_reads_is_cut_off(
    gateway: LiveGateway, environment_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its memory is bounded, and who reads gets everything meanwhile."""

    def hasty(*arguments: object, **options: object) -> Viewer:
        return Viewer(*arguments, **options, patience_s=1.0)  # type: ignore[arg-type]

    monkeypatch.setattr(live_socket, "Viewer", hasty)
    lost = asyncio.Event()
    closed: list[tuple[int, str]] = []
    end = live_socket._Connection.end

    def noted(connection: object, code: int, reason: str) -> None:
        closed.append((code, reason))
        lost.set()
        end(connection, code, reason)  # type: ignore[arg-type]

    monkeypatch.setattr(live_socket._Connection, "end", noted)
    _, writer = await never_reading(gateway, environment_id)
    async with gateway.live(environment_id) as reading:
        await subscribed(reading)
        count = 0
        async with asyncio.timeout(LIMIT_S):
            while not lost.is_set():
                await gateway.publish(environment_id, range(count + 1, count + 201))
                expected = list(range(count + 1, count + 201))
                assert await frame_sets(reading, 200) == expected
                count += 200
    assert closed[0] == (4429, "nothing was read for 1 s")
    writer.close()


async def test_a_page_of_a_foreign_origin_opens_nothing(
    gateway: LiveGateway, environment_id: str
) -> None:
    """Whatever the visitor of that page could prove; a listed origin opens it."""
    for path in (
        f"/v1/environments/{environment_id}/live",
        f"/v1/environments/{environment_id}/cameras/north/preview",
    ):
        ticket = await gateway.ticket("watch")
        headers = {**BEARER, "Origin": "https://evil.example"}
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await gateway.http.ws_connect(
                path, headers=headers, params={"ticket": ticket}
            )
        assert refused.value.status == 403
    headers = {**BEARER, "Origin": FLOOR_PAGE}
    async with gateway.live(environment_id, headers=headers) as socket:
        await received(socket, "welcome")


async def test_a_ticket_holds_once(gateway: LiveGateway, environment_id: str) -> None:
    """Replayed in the address or in a message it opens nothing, also at once."""
    ticket = await gateway.ticket("watch")
    path = f"/v1/environments/{environment_id}/live"
    attempts = await asyncio.gather(
        *(gateway.http.ws_connect(path, params={"ticket": ticket}) for _ in range(8)),
        return_exceptions=True,
    )
    opened = [one for one in attempts if not isinstance(one, BaseException)]
    refused = [one for one in attempts if isinstance(one, BaseException)]
    assert len(opened) == 1
    assert {one.status for one in refused} == {401}  # type: ignore[attr-defined]
    await received(opened[0], "welcome")
    await opened[0].close()
    async with gateway.live(environment_id, headers={}) as socket:
        await socket.send_json({"ticket": ticket})
        message = await socket.receive(timeout=LIMIT_S)
        assert (message.type, message.data) == (WSMsgType.CLOSE, 4401)


async def test_a_ticket_dies_with_the_token_behind_it(
    gateway: LiveGateway, environment_id: str
) -> None:
    """What was revoked between the two opens nothing."""
    ticket = await gateway.ticket("watch")
    del gateway.callers.tokens["viewer"]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await gateway.live(environment_id, headers={}, params={"ticket": ticket})
    assert refused.value.status == 401


async def test_the_store_shows_neither_ticket_nor_token(gateway: LiveGateway) -> None:
    """Who reads it can open nothing, and a ticket is gone after 30 seconds."""
    ticket = await gateway.ticket("watch")
    redis = gateway.log._redis
    keys = [key async for key in redis.scan_iter("spoton:ticket:*")]
    assert len(keys) == 1
    sealed = await redis.get(keys[0])
    for secret in (ticket.encode(), b"viewer"):
        assert secret not in keys[0]
        assert secret not in sealed
    assert 25 < await redis.ttl(keys[0]) <= 30


@pytest.mark.parametrize("token", ["viewer", "unknown"])
async def test_a_token_in_the_address_proves_nothing(
    gateway: LiveGateway, environment_id: str, token: str
) -> None:
    """It would stand in logs, so it is not looked at."""
    for name in ("access_token", "token", "ticket"):
        async with gateway.http.get(
            f"/v1/environments/{environment_id}/cameras/north/snapshot.jpg",
            params={name: token},
        ) as answer:
            assert answer.status in (400, 401)
