"""Watching an environment over a WebSocket, before a real pipeline."""

import asyncio
import dataclasses
import json
import time

import aiohttp
import pytest
from aiohttp import WSCloseCode, WSMsgType
from prometheus_client import REGISTRY

from services.common.caller import EVERY_ENVIRONMENT
from services.common.ids import EnvironmentId
from services.gateway.live.feed import LiveHub
from services.pipeline.domain.resume import resume_token
from spoton.live.v1 import live_pb2
from tests.fakes.live_gateway import (
    BEARER,
    TOKENS,
    VIEWER,
    LiveGateway,
    frame_sets,
    received,
    subscribed,
)

LIMIT_S = 15.0


async def closing(socket: aiohttp.ClientWebSocketResponse) -> tuple[int, str]:
    """Return the code and the reason that a WebSocket is closed with."""
    while True:
        message = await socket.receive(timeout=LIMIT_S)
        if message.type is WSMsgType.CLOSE:
            return int(message.data), str(message.extra)
        assert message.type in (WSMsgType.TEXT, WSMsgType.BINARY), message


async def test_viewers_see_what_happens(
    gateway: LiveGateway, environment_id: str
) -> None:
    """Each gets every event, by one upstream for all of them."""
    async with (
        gateway.live(environment_id) as one,
        gateway.live(environment_id) as other,
    ):
        welcome = await received(one, "welcome")
        assert welcome["subject"] == "user-viewer"
        for socket in (one, other):
            await subscribed(socket)
        await gateway.publish(environment_id, range(1, 6))
        assert await frame_sets(one, 5) == [1, 2, 3, 4, 5]
        assert await frame_sets(other, 5) == [1, 2, 3, 4, 5]
        upstreams = REGISTRY.get_sample_value("spoton_gateway_live_upstreams")
        assert upstreams == 1


async def test_protobuf_is_a_subprotocol(
    gateway: LiveGateway, environment_id: str
) -> None:
    """Who asks for it sends and gets the messages of the protos."""
    async with gateway.live(environment_id, protocols=["spoton.protobuf.v1"]) as socket:
        first = live_pb2.LiveMessage.FromString(await socket.receive_bytes())
        assert first.welcome.subject == "user-viewer"
        request = live_pb2.LiveRequest(subscribe=live_pb2.Subscribe(global_id=7))
        await socket.send_bytes(request.SerializeToString())
        second = live_pb2.LiveMessage.FromString(await socket.receive_bytes())
        assert second.subscribed.subscription.global_id == 7


async def test_who_comes_later_sees_the_latest_state_and_trails(
    gateway: LiveGateway, environment_id: str
) -> None:
    """What happened before the first viewer came is known too."""
    await gateway.publish(environment_id, range(1, 31))
    async with gateway.live(environment_id) as socket:
        told = await subscribed(socket, global_id=7, trails="10s")
        assert told["subscription"]["global_id"] == "7"
        (trail,) = (await received(socket, "trails"))["trails"]
        assert trail["points"][0]["point"]["x_m"] == 20.0
        assert len(trail["points"]) == 11
        assert await frame_sets(socket, 1) == [30]


async def test_a_viewer_resumes_without_gap_or_repetition(
    gateway: LiveGateway, environment_id: str
) -> None:
    """From what the gateway keeps, and from the log for what is older."""
    await gateway.publish(environment_id, range(1, 701))
    plaza = EnvironmentId(environment_id)
    async with gateway.live(environment_id) as socket:
        for after in (690, 50):
            await subscribed(socket, resume_token=resume_token(plaza, after))
            expected = list(range(after + 1, 701))
            assert await frame_sets(socket, len(expected)) == expected
        await gateway.publish(environment_id, range(701, 703))
        assert await frame_sets(socket, 2) == [701, 702]


async def test_what_cannot_be_resumed_is_a_gap(
    gateway: LiveGateway, environment_id: str
) -> None:
    """A token of events that never were leads to the latest state, and says so."""
    await gateway.publish(environment_id, range(1, 3))
    async with gateway.live(environment_id) as socket:
        token = resume_token(EnvironmentId(environment_id), 99)
        await subscribed(socket, resume_token=token)
        assert "no longer kept" in (await received(socket, "gap"))["reason"]
        assert await frame_sets(socket, 1) == [2]


async def test_viewers_hear_of_a_log_that_is_lost(
    gateway: LiveGateway, environment_id: str
) -> None:
    """When the upstream cannot resume, it begins again and tells of the gap."""
    await gateway.publish(environment_id, range(1, 5))
    async with gateway.live(environment_id) as socket:
        await subscribed(socket)
        assert await frame_sets(socket, 1) == [4]
        await gateway.log._redis.flushall()
        await received(socket, "gap")
        await gateway.publish(environment_id, range(1, 3))
        while await frame_sets(socket, 1) != [2]:
            pass
        await gateway.publish(environment_id, range(3, 5))
        assert await frame_sets(socket, 2) == [3, 4]


@pytest.mark.parametrize(
    ("subscription", "field"),
    [
        ({"global_id": -1}, "global_id"),
        ({"trails": "61s"}, "trails"),
        ({"camera_ids": ["Not A Name"]}, "camera_ids[0]"),
        ({"camera_ids": ["c"] * 65}, "camera_ids"),
        ({"resume_token": "rubbish"}, "resume_token"),
        ({"colour": "red"}, "subscribe.colour"),
    ],
)
async def test_a_refused_subscription_names_the_field(
    gateway: LiveGateway, environment_id: str, subscription: dict, field: str
) -> None:
    """The viewer goes on seeing what it saw."""
    async with gateway.live(environment_id) as socket:
        await subscribed(socket)
        await socket.send_json({"subscribe": subscription})
        error = await received(socket, "error")
        assert error["code"] == 3
        assert field in str(error)
        await gateway.publish(environment_id, range(1, 2))
        assert await frame_sets(socket, 1) == [1]


async def test_a_session_that_does_not_exist_is_not_found(
    gateway: LiveGateway, environment_id: str
) -> None:
    """So a viewer does not wait for what will never come."""
    async with gateway.live(environment_id) as socket:
        await socket.send_json({"subscribe": {"session_id": "session-x"}})
        assert (await received(socket, "error"))["code"] == 5


async def test_an_environment_that_does_not_exist_closes_the_socket(
    gateway: LiveGateway,
) -> None:
    """The code is 4000 more than the status that HTTP would have."""
    async with gateway.live("nowhere") as socket:
        assert (await closing(socket))[0] == 4404


@pytest.mark.parametrize("first", ["access_token", "ticket"])
async def test_browsers_say_who_they_are_in_the_first_message(
    gateway: LiveGateway, environment_id: str, first: str
) -> None:
    """By a token, or by a ticket that stands for it."""
    secret = "viewer" if first == "access_token" else await gateway.ticket("watch")
    async with gateway.live(environment_id, headers={}) as socket:
        await socket.send_json({first: secret})
        assert (await received(socket, "welcome"))["subject"] == "user-viewer"


async def test_a_ticket_in_the_address_opens_the_socket(
    gateway: LiveGateway, environment_id: str
) -> None:
    """It is worth nothing afterwards, so it may stand in a log."""
    ticket = await gateway.ticket("watch")
    async with gateway.live(
        environment_id, headers={}, params={"ticket": ticket}
    ) as socket:
        assert (await received(socket, "welcome"))["subject"] == "user-viewer"


@pytest.mark.parametrize(
    "message",
    ['{"access_token": "unknown"}', '{"ticket": "x"}', '{"subscribe": {}}', "hello"],
)
async def test_who_proves_nothing_is_shut_out(
    gateway: LiveGateway, environment_id: str, message: str
) -> None:
    """The first message must prove who watches."""
    async with gateway.live(environment_id, headers={}) as socket:
        await socket.send_str(message)
        assert (await closing(socket))[0] == 4401


async def test_the_grants_of_another_environment_open_nothing(
    gateway: LiveGateway, environment_id: str
) -> None:
    """Refused before the WebSocket opens, or closed after the first message."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await gateway.live(
            environment_id, headers={"Authorization": "Bearer elsewhere"}
        )
    assert refused.value.status == 403
    async with gateway.live(environment_id, headers={}) as socket:
        await socket.send_json({"access_token": "elsewhere"})
        assert (await closing(socket))[0] == 4403


async def test_an_expired_token_ends_the_connection_unless_renewed(
    gateway: LiveGateway, environment_id: str
) -> None:
    """A newer token of the same caller keeps it open."""
    short = dataclasses.replace(TOKENS["viewer"], expires_s=time.time() + 1.0)
    gateway.callers.tokens["short"] = short
    headers = {"Authorization": "Bearer short"}
    async with (
        gateway.live(environment_id, headers=headers) as left,
        gateway.live(environment_id, headers=headers) as renewed,
    ):
        await received(renewed, "welcome")
        await renewed.send_json({"access_token": "viewer"})
        await received(renewed, "welcome")
        code, reason = await closing(left)
        assert (code, reason) == (4401, "the access token has expired")
        await subscribed(renewed)


async def test_a_connection_keeps_its_caller(
    gateway: LiveGateway, environment_id: str
) -> None:
    """The token of somebody else renews nothing."""
    grants = {EVERY_ENVIRONMENT: VIEWER}
    gateway.callers.tokens["other"] = dataclasses.replace(
        TOKENS["viewer"], subject="user-other", grants=grants
    )
    async with gateway.live(environment_id) as socket:
        await received(socket, "welcome")
        await socket.send_json({"access_token": "other"})
        assert (await closing(socket))[0] == 4403


async def test_a_revoked_token_ends_the_connection(
    gateway: LiveGateway, environment_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again while the connection lasts."""
    gateway.callers.tokens["gone"] = TOKENS["viewer"]
    headers = {"Authorization": "Bearer gone"}
    async with gateway.live(environment_id, headers=headers) as socket:
        await received(socket, "welcome")
        del gateway.callers.tokens["gone"]
        code, reason = await closing(socket)
        assert (code, reason) == (4401, "the token is unknown")


async def test_a_message_that_is_too_large_closes_the_socket(
    gateway: LiveGateway, environment_id: str
) -> None:
    """With the code that WebSockets have for it."""
    async with gateway.live(environment_id) as socket:
        await received(socket, "welcome")
        await socket.send_str("x" * 30_000)
        assert (await closing(socket))[0] == WSCloseCode.MESSAGE_TOO_BIG


async def test_too_many_messages_close_the_socket(
    gateway: LiveGateway, environment_id: str
) -> None:
    """A viewer may say something now and then, not all the time."""
    async with gateway.live(environment_id) as socket:
        for _ in range(60):
            await socket.send_json({"subscribe": {}})
        assert await closing(socket) == (4429, "too many messages were sent")


async def test_a_request_that_opens_no_websocket_is_told_so(
    gateway: LiveGateway, environment_id: str
) -> None:
    """As a problem, with what to upgrade to."""
    path = f"/v1/environments/{environment_id}/live"
    async with gateway.http.get(path, headers=BEARER) as answer:
        assert answer.status == 426
        assert answer.headers["Upgrade"] == "websocket"
        assert (await answer.json())["status"] == 426


async def test_the_upstream_ends_when_nobody_watches() -> None:
    """After a while, in case somebody comes back."""
    opened, closed = 0, asyncio.Event()

    async def watch(_request):
        nonlocal opened
        opened += 1
        try:
            await asyncio.Event().wait()
            yield
        finally:
            closed.set()

    hub = LiveHub(watch, linger_s=0.1)
    with hub.feed("plaza") as feed, hub.feed("plaza") as same:
        assert feed is same
        await asyncio.sleep(0)
    with hub.feed("plaza") as again:
        assert again is feed
    async with asyncio.timeout(LIMIT_S):
        await closed.wait()
    assert opened == 1
    await hub.close()


async def test_the_route_of_the_protos_shares_the_upstream(
    gateway: LiveGateway, environment_id: str
) -> None:
    """`tracking:watch` tells the same by its own messages, also from a token."""
    path = f"/v1/environments/{environment_id}/tracking:watch"
    await gateway.publish(environment_id, range(1, 6))
    query = {"resume_token": resume_token(EnvironmentId(environment_id), 2)}
    async with (
        gateway.live(environment_id) as live,
        gateway.http.ws_connect(path, headers=BEARER) as watching,
        gateway.http.ws_connect(path, headers=BEARER, params=query) as resumed,
    ):
        await subscribed(live)
        told = [json.loads(await resumed.receive_str()) for _ in range(3)]
        numbers = [int(one["event"]["tracking"]["frame_set"]) for one in told]
        assert numbers == [3, 4, 5]
        await received(live, "update")
        await gateway.publish(environment_id, range(6, 7))
        async with asyncio.timeout(LIMIT_S):
            while not (one := json.loads(await watching.receive_str())).get("event"):
                pass
        assert one["event"]["sequence"] == "6"
        upstreams = REGISTRY.get_sample_value("spoton_gateway_live_upstreams")
        assert upstreams == 1
