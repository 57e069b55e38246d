"""The sessions of an environment in which a caller has no right, asked for by HTTP."""

import asyncio
import secrets
from typing import Any

import aiohttp

from tests.fakes.gateway import caller
from tests.fakes.live_gateway import LiveGateway

SCOPES = frozenset({"sessions:read", "sessions:write", "tracking:read"})
OWNER = {"Authorization": "Bearer owner"}
STRANGER = {"Authorization": "Bearer stranger"}
COMMANDS = ("pause", "resume", "seek", "setPace", "stop")
LIMIT_S = 15.0


async def asked(
    gateway: LiveGateway, method: str, path: str, headers: dict[str, str]
) -> tuple[int, Any]:
    """Return the status and the JSON of an answer."""
    body = {} if method == "POST" else None
    async with gateway.http.request(method, path, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def refusal(gateway: LiveGateway, path: str) -> int | None:
    """Return the status, or the closing code, that ends a stranger's WebSocket."""
    async with asyncio.timeout(LIMIT_S):
        try:
            async with gateway.http.ws_connect(path, headers=STRANGER) as socket:
                async for _ in socket:
                    pass
                return socket.close_code
        except aiohttp.WSServerHandshakeError as error:
            return error.status


async def test_another_environments_session_over_http(
    gateway: LiveGateway, environment_id: str
) -> None:
    """By REST and WebSocket, neither its path nor one's own reaches it."""
    mine = f"plaza-{secrets.token_hex(4)}"
    gateway.callers.tokens["owner"] = caller("owner", {environment_id: SCOPES})
    gateway.callers.tokens["stranger"] = caller("stranger", {mine: SCOPES})
    sessions = f"/v1/environments/{environment_id}/sessions"
    status, created = await asked(gateway, "POST", sessions, OWNER)
    assert status == 200
    session_id = created["session"]["session_id"]
    theirs, through_mine = (
        f"/v1/environments/{environment}/sessions/{session_id}"
        for environment in (environment_id, mine)
    )

    assert (await asked(gateway, "GET", sessions, STRANGER))[0] == 403
    assert (await asked(gateway, "POST", sessions, STRANGER))[0] == 403
    assert (await asked(gateway, "GET", theirs, STRANGER))[0] == 403
    assert (await asked(gateway, "GET", through_mine, STRANGER))[0] == 404
    for command in COMMANDS:
        status, _ = await asked(gateway, "POST", f"{theirs}:{command}", STRANGER)
        assert status == 403, command
        status, _ = await asked(gateway, "POST", f"{through_mine}:{command}", STRANGER)
        assert status in (400, 404), command
    environment = f"/v1/environments/{environment_id}"
    for path in (
        f"{environment}/live",
        f"{environment}/tracking:watch",
        f"{theirs}/preview:watch",
        f"/v1/environments/{mine}/tracking:watch?session_id={session_id}",
    ):
        assert await refusal(gateway, path) in (403, 4403, 4404), path

    status, read = await asked(gateway, "GET", theirs, OWNER)
    assert (status, read["session"]["desired_revision"]) == (200, "0")
    _, listed = await asked(gateway, "GET", sessions, OWNER)
    assert [one["session_id"] for one in listed["sessions"]] == [session_id]
