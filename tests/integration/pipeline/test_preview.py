"""Pictures of running sessions, over the wire."""

import asyncio
from collections.abc import AsyncIterator

import cv2
import grpc
import numpy as np
import pytest
from grpc import aio

from services.pipeline.mesh import preview_board
from spoton.mapper.v1 import mapper_pb2
from spoton.pipeline.v1 import pipeline_pb2
from tests.integration.pipeline.mesh import HEIGHT_PX, WIDTH_PX, Mesh, write_walk

LIMIT_S = 30.0


def watch(mesh: Mesh, session: pipeline_pb2.Session, **wish: object) -> aio.Call:
    """Open a stream of previews."""
    request = pipeline_pb2.WatchPreviewRequest(
        environment_id=session.environment_id,
        session_id=session.session_id,
        **wish,  # type: ignore[arg-type]
    )
    return mesh.pipeline.WatchPreview(request)


async def first_pictures(
    mesh: Mesh, session: pipeline_pb2.Session, count: int = 1, **wish: object
) -> list[pipeline_pb2.WatchPreviewResponse]:
    """Return the first pictures of a stream that may open before the session runs."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            call = watch(mesh, session, **wish)
            try:
                pictures = [await anext(aiter(call)) for _ in range(count)]
            except aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                    raise
                await asyncio.sleep(0)
            else:
                call.cancel()
                return pictures


def pixels(response: pipeline_pb2.WatchPreviewResponse) -> np.ndarray:
    """Return a picture's pixels, RGB."""
    file = np.frombuffer(response.jpeg, np.uint8)
    return cv2.imdecode(file, cv2.IMREAD_COLOR_RGB)


@pytest.fixture
async def session(mesh: Mesh) -> AsyncIterator[pipeline_pb2.Session]:
    """Give a session that lasts as long as the test."""
    await mesh.add_camera("north", write_walk(mesh.media / "north.avi", 300))
    started = await mesh.start(speed=1.0)
    yield started
    await mesh.pipeline.StopSession(
        pipeline_pb2.StopSessionRequest(
            environment_id=started.environment_id, session_id=started.session_id
        )
    )


async def test_a_viewer_sees_frames_in_order(
    mesh: Mesh, session: pipeline_pb2.Session
) -> None:
    """Each picture is a later frame of the camera, with its time and size."""
    pictures = await first_pictures(mesh, session, 3, max_rate_hz=30.0)
    indices = [picture.frame_index for picture in pictures]
    assert indices == sorted(set(indices))
    assert {picture.camera_id for picture in pictures} == {"north"}
    assert pixels(pictures[0]).shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert (pictures[0].size.width, pictures[0].size.height) == (WIDTH_PX, HEIGHT_PX)


async def test_the_session_says_where_its_owner_is(
    mesh: Mesh, session: pipeline_pb2.Session
) -> None:
    """Whoever wants pictures finds the address in the session's record."""
    await first_pictures(mesh, session)
    answer = await mesh.pipeline.GetSession(
        pipeline_pb2.GetSessionRequest(
            environment_id=session.environment_id, session_id=session.session_id
        )
    )
    assert answer.session.owner_address == mesh.addresses["pipeline"]


async def test_heads_are_blurred_when_the_environment_asks(
    mesh: Mesh, session: pipeline_pb2.Session
) -> None:
    """The head of the bright person loses its edges, the body keeps them."""
    request = mapper_pb2.GetEnvironmentRequest(environment_id=session.environment_id)
    answer = await mesh.peers.mapper.GetEnvironment(request)
    answer.environment.privacy.blur_heads = True
    await mesh.peers.mapper.UpdateEnvironment(
        mapper_pb2.UpdateEnvironmentRequest(environment=answer.environment)
    )
    (blurred,) = await first_pictures(mesh, session)
    assert blurred.heads_blurred
    head, body = edge(blurred, rows=slice(44, 50)), edge(blurred, rows=slice(70, 85))
    assert body > 150
    assert head < 0.7 * body


def edge(response: pipeline_pb2.WatchPreviewResponse, rows: slice) -> float:
    """Return the largest step between neighbouring pixels in some rows."""
    grey = pixels(response)[rows].mean(axis=(0, 2))
    return float(np.abs(np.diff(grey)).max())


async def test_nothing_is_encoded_while_nobody_watches(
    mesh: Mesh, session: pipeline_pb2.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures are made when somebody looks, once for all who look alike."""
    made = 0
    make = preview_board.preview_picture

    def counted(*arguments: object) -> object:
        nonlocal made
        made += 1
        return make(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(preview_board, "preview_picture", counted)
    watching = mesh.pipeline.WatchTracking(
        pipeline_pb2.WatchTrackingRequest(environment_id=session.environment_id)
    )
    seen = 0
    async with asyncio.timeout(LIMIT_S):
        async for response in watching:
            seen += response.event.HasField("tracking")
            if seen == 5:
                break
    watching.cancel()
    assert made == 0
    streams = (first_pictures(mesh, session, 4, max_rate_hz=5.0) for _ in range(8))
    viewers = await asyncio.gather(*streams)
    frames = {picture.frame_index for viewer in viewers for picture in viewer}
    assert made == len(frames) < 16


async def test_pictures_of_other_processes_sessions_are_refused(mesh: Mesh) -> None:
    """A session that does not run here has its pictures elsewhere."""
    session = pipeline_pb2.Session(
        environment_id=mesh.environment_id, session_id="session-elsewhere"
    )
    with pytest.raises(aio.AioRpcError) as refused:
        await anext(aiter(watch(mesh, session)))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_what_cannot_be_shown_is_refused_by_name(
    mesh: Mesh, session: pipeline_pb2.Session
) -> None:
    """An unknown camera is not found, a wrong width is an invalid argument."""
    await first_pictures(mesh, session)
    for wish, code in (
        ({"camera_ids": ["south"]}, grpc.StatusCode.NOT_FOUND),
        ({"width_px": 5}, grpc.StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(aio.AioRpcError) as refused:
            await anext(aiter(watch(mesh, session, **wish)))
        assert refused.value.code() is code


async def test_the_stream_ends_with_the_session(mesh: Mesh) -> None:
    """A viewer learns that there is nothing more to see."""
    await mesh.add_camera("north", write_walk(mesh.media / "north.avi", 20))
    session = await mesh.start(speed=2.0)
    await first_pictures(mesh, session)
    call = watch(mesh, session)
    async with asyncio.timeout(LIMIT_S):
        async for _ in call:
            pass
    assert await call.code() is grpc.StatusCode.OK
