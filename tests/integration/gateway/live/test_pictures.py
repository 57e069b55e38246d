"""Pictures of a running session over HTTP, before the real mesh."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import cv2
import numpy as np
import pytest
from aiohttp import WSMsgType

from services.common.redis_client import open_redis
from spoton.pipeline.v1 import pipeline_pb2
from stack.stores.seaweedfs import S3Access
from tests.fakes.live_gateway import BEARER, LiveGateway, live_gateway
from tests.integration.pipeline.mesh import (
    HEIGHT_PX,
    WIDTH_PX,
    Mesh,
    running_mesh,
    write_walk,
)

LIMIT_S = 30.0
PREVIEW = "spoton.pipeline.v1.PipelineService.WatchPreview"


@pytest.fixture
async def mesh(
    postgres_dsn: str, valkey_url: str, s3: S3Access, tmp_path: Path
) -> AsyncIterator[Mesh]:
    """Give a mesh with a session that lasts as long as the test."""
    async with running_mesh(postgres_dsn, valkey_url, s3, tmp_path) as running:
        await running.add_camera("north", write_walk(tmp_path / "north.avi", 400))
        await running.start(speed=1.0)
        yield running


@pytest.fixture
async def gateway(mesh: Mesh, valkey_url: str) -> AsyncIterator[LiveGateway]:
    """Give a gateway before that mesh."""
    async with (
        open_redis(valkey_url) as redis,
        live_gateway(mesh.addresses, redis) as running,
    ):
        async with asyncio.timeout(LIMIT_S):
            while (await snapshot(running, mesh))[0] != 200:
                pass
        running.audit.entries.clear()
        yield running


def camera(mesh: Mesh, what: str, camera_id: str = "north") -> str:
    """Return the path of something that a camera shows."""
    return f"/v1/environments/{mesh.environment_id}/cameras/{camera_id}/{what}"


async def snapshot(
    gateway: LiveGateway, mesh: Mesh, **query: str
) -> tuple[int, Mapping[str, str], bytes]:
    """Return status, headers and body of the answer to a request for a snapshot."""
    path = camera(mesh, "snapshot.jpg")
    async with gateway.http.get(path, params=query, headers=BEARER) as answer:
        return answer.status, answer.headers, await answer.read()


async def parts(answer: aiohttp.ClientResponse, count: int) -> list[bytes]:
    """Return the first pictures of an MJPEG answer."""
    boundary = re.search("boundary=(.*)$", answer.headers["Content-Type"])
    assert boundary is not None
    found = []
    async with asyncio.timeout(LIMIT_S):
        while len(found) < count:
            line = (await answer.content.readline()).strip()
            assert line == f"--{boundary[1]}".encode(), line
            headers = {}
            while line := (await answer.content.readline()).strip():
                name, _, value = line.decode().partition(": ")
                headers[name] = value
            assert headers["Content-Type"] == "image/jpeg"
            length = int(headers["Content-Length"])
            found.append(await answer.content.readexactly(length))
            assert await answer.content.readexactly(2) == b"\r\n"
    return found


def pixels(jpeg: bytes) -> np.ndarray:
    """Return a picture's pixels, RGB."""
    file = np.frombuffer(jpeg, np.uint8)
    return cv2.imdecode(file, cv2.IMREAD_COLOR_RGB)


async def test_mjpeg_shows_picture_after_picture(
    gateway: LiveGateway, mesh: Mesh
) -> None:
    """Each part is a JPEG of the size asked for, and the look is recorded once."""
    query = {"rate": "30", "width": "80", "overlays": "true"}
    path = camera(mesh, "preview.mjpeg")
    async with gateway.http.get(path, params=query, headers=BEARER) as answer:
        assert answer.status == 200
        assert answer.content_type == "multipart/x-mixed-replace"
        pictures = await parts(answer, 3)
    assert len(set(pictures)) == 3
    assert pixels(pictures[0]).shape == (60, 80, 3)
    (entry,) = gateway.audit.entries
    assert (entry.action, entry.outcome) == (PREVIEW, "OK")
    assert (entry.subject, entry.environment_id) == (
        "user-viewer",
        mesh.environment_id,
    )
    assert entry.resource == path


async def test_a_browser_shows_mjpeg_by_a_ticket(
    gateway: LiveGateway, mesh: Mesh
) -> None:
    """An image's address holds a ticket for pictures; one for watching is none."""
    path = camera(mesh, "preview.mjpeg")
    query = {"ticket": await gateway.ticket("picture")}
    async with gateway.http.get(path, params=query) as answer:
        assert await parts(answer, 1)
    async with gateway.http.get(path, params=query) as again:
        assert again.status == 401
    other = {"ticket": await gateway.ticket("watch")}
    async with gateway.http.get(path, params=other) as refused:
        assert refused.status == 401
        assert refused.content_type == "application/problem+json"
    outcomes = [entry.outcome for entry in gateway.audit.entries]
    assert outcomes == ["OK", "UNAUTHENTICATED", "UNAUTHENTICATED"]


@pytest.mark.parametrize("protocol", ["spoton.jpeg.v1", "spoton.protobuf.v1"])
async def test_a_websocket_shows_pictures(
    gateway: LiveGateway, mesh: Mesh, protocol: str
) -> None:
    """As JPEG files, or with their times as messages of the protos."""
    async with gateway.http.ws_connect(
        camera(mesh, "preview"), protocols=[protocol], params={"rate": "30"}
    ) as socket:
        await socket.send_json({"ticket": await gateway.ticket("picture")})
        for _ in range(2):
            message = await socket.receive(timeout=LIMIT_S)
            assert message.type is WSMsgType.BINARY
            jpeg = message.data
            if protocol == "spoton.protobuf.v1":
                response = pipeline_pb2.WatchPreviewResponse.FromString(jpeg)
                assert response.camera_id == "north"
                jpeg = response.jpeg
            assert pixels(jpeg).shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert [entry.outcome for entry in gateway.audit.entries] == ["OK"]


async def test_a_snapshot_shows_people_when_asked(
    gateway: LiveGateway, mesh: Mesh
) -> None:
    """With overlays their boxes are drawn in colour; without nothing is."""

    async def coloured(overlays: str) -> int:
        query = {"overlays": overlays, "quality": "95"}
        _, headers, jpeg = await snapshot(gateway, mesh, **query)
        assert headers["Content-Type"] == "image/jpeg"
        assert headers["X-Capture-Time"].endswith("Z")
        return int((np.ptp(pixels(jpeg).astype(int), axis=2) > 100).sum())

    async with asyncio.timeout(LIMIT_S):
        while await coloured("true") <= 50:
            pass  # Until the person's track is believed.
    assert await coloured("false") == 0


async def test_a_persons_best_picture_is_shown(
    gateway: LiveGateway, mesh: Mesh
) -> None:
    """Once there is one; every look is recorded."""
    async with asyncio.timeout(LIMIT_S):
        while not (persons := (await mesh.updates())[-1].persons):
            pass
    global_id = persons[0].global_id
    path = f"/v1/environments/{mesh.environment_id}/identities/{global_id}/crop.jpg"
    async with asyncio.timeout(LIMIT_S):
        while True:
            async with gateway.http.get(path, headers=BEARER) as answer:
                if answer.status == 200:
                    assert pixels(await answer.read()).size > 0
                    break
                assert answer.status == 404
    assert gateway.audit.entries[-1].action.endswith("GetIdentityCrop")
    assert gateway.audit.entries[-1].outcome == "OK"


async def test_what_cannot_be_shown_is_a_problem(
    gateway: LiveGateway, mesh: Mesh
) -> None:
    """With a status, and the field where it is one."""
    for what, status, field in (
        ("cameras/south/snapshot.jpg", 404, None),
        ("cameras/north/snapshot.jpg?session_id=session-x", 404, None),
        ("cameras/north/snapshot.jpg?width=1", 400, "width"),
        ("cameras/north/preview.mjpeg?rate=99", 400, "rate"),
        ("cameras/north/preview", 426, None),
        ("identities/0/crop.jpg", 400, "global_id"),
        ("identities/99999/crop.jpg", 404, None),
    ):
        path = f"/v1/environments/{mesh.environment_id}/{what}"
        async with gateway.http.get(path, headers=BEARER) as answer:
            assert (what, answer.status) == (what, status)
            assert answer.content_type == "application/problem+json"
            problem = await answer.json()
        if field is not None:
            assert problem["details"][0]["field_violations"][0]["field"] == field


async def test_pictures_are_for_those_who_may_see_them(
    gateway: LiveGateway, mesh: Mesh
) -> None:
    """Nobody, and the grants of another environment, see nothing; it is recorded."""
    other = {"Authorization": "Bearer elsewhere"}
    for what in (
        "cameras/north/snapshot.jpg",
        "cameras/north/preview.mjpeg",
        "identities/1/crop.jpg",
    ):
        path = f"/v1/environments/{mesh.environment_id}/{what}"
        async with gateway.http.get(path) as answer:
            assert answer.status == 401
        async with gateway.http.get(path, headers=other) as answer:
            assert answer.status == 403
    outcomes = [entry.outcome for entry in gateway.audit.entries]
    assert outcomes == ["UNAUTHENTICATED", "PERMISSION_DENIED"] * 3
