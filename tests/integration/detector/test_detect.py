"""The stream of one camera, over a real connection."""

import asyncio
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest
from grpc import aio

from services.common.batching import BatchSettings
from services.common.convert import image_to_proto
from services.common.drain import DrainSignal
from services.common.grpc_errors import error_from_status
from services.common.item_stream import ItemStream, StatelessDialect
from services.detector.config import load_config
from services.detector.domain.geometry import Size
from services.detector.observe import FRAMES
from spoton.common.v1 import frame_pb2, geometry_pb2
from spoton.detector.v1 import detector_pb2
from tests.fakes.detector import FakeDetector
from tests.fakes.pictures import encoded, huge_png

SIZE = geometry_pb2.ImageSize(width=100, height=100)
INVALID = grpc.StatusCode.INVALID_ARGUMENT.value[0]


def white(left: int = 20) -> np.ndarray:
    """Return a black picture, 50 x 50, with a white person."""
    pixels = np.zeros((50, 50, 3), np.uint8)
    pixels[10:40, left : left + 10] = 255
    return pixels


def frame(
    index: int, image: frame_pb2.Image | None = None
) -> detector_pb2.DetectRequest:
    """Return a request of one tile that shows the whole frame at half its size."""
    region = geometry_pb2.Box(x_max=100, y_max=100)
    tile = detector_pb2.Tile(image=image or image_to_proto(white()), region=region)
    ref = frame_pb2.FrameRef(session_id="s", camera_id="c", frame_index=index)
    return detector_pb2.DetectRequest(frame=ref, frame_size=SIZE, tiles=[tile])


async def opened(stub: Any) -> Any:
    """Return a call whose window has been read."""
    call = stub.Detect()
    first = await call.read()
    assert first.WhichOneof("outcome") == "window"
    return call


async def test_window_comes_first(serve: Any) -> None:
    """The server speaks first, and tells how much may be sent ahead."""
    async with serve(window=7) as stub:
        call = stub.Detect()
        first = await call.read()
        assert first.window.max_in_flight == 7
        await call.done_writing()
        assert await call.read() is aio.EOF
        assert await call.code() is grpc.StatusCode.OK


async def test_people_are_found_in_frame_coordinates(serve: Any) -> None:
    """A person is told in pixels of the full frame, with the model's name."""
    async with serve() as stub:
        call = await opened(stub)
        await call.write(frame(5))
        answer = await call.read()
        assert answer.frame.frame_index == 5
        assert answer.result.model_id == "movenet-multipose"
        (person,) = answer.result.detections
        expected = geometry_pb2.Box(x_min=40, y_min=20, x_max=60, y_max=80)
        assert person.box == expected


async def test_person_in_two_tiles_is_one(serve: Any) -> None:
    """What two tiles show of one person is answered once."""
    request = frame(0)
    del request.tiles[:]
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[20:80, 45:55] = 255
    for left, right in ((0, 60), (40, 100)):
        request.tiles.add(
            image=image_to_proto(pixels[:, left:right]),
            region=geometry_pb2.Box(x_min=left, x_max=right, y_max=100),
        )
    async with serve(FakeDetector(input_size=Size(100, 100))) as stub:
        call = await opened(stub)
        await call.write(request)
        answer = await call.read()
    (person,) = answer.result.detections
    assert (person.box.x_min, person.box.x_max) == (45, 55)


async def test_answers_come_in_request_order(serve: Any) -> None:
    """Frames of different cost are answered in the order of their requests."""
    async with serve(window=8) as stub:
        call = await opened(stub)
        for index in range(8):
            file = frame_pb2.Image(encoded=encoded(white()))
            await call.write(frame(index, file if index % 2 else None))
        indices = [(await call.read()).frame.frame_index for _ in range(8)]
    assert indices == list(range(8))


async def test_streams_share_batches(serve: Any) -> None:
    """Frames of several cameras run through the model together."""
    detector = FakeDetector(max_batch=4)
    patient = replace(load_config({}), batching=BatchSettings(max_wait_s=10.0))
    async with serve(detector, config=patient) as stub:
        calls = [await opened(stub) for _ in range(4)]
        for call in calls:
            await call.write(frame(0))
        for call in calls:
            await call.read()
    assert detector.batches == [4]


@pytest.mark.parametrize(
    ("image", "field"),
    [
        (frame_pb2.Image(), "tiles[0].image"),
        (frame_pb2.Image(encoded=b"no image at all"), "tiles[0].image.encoded"),
        (frame_pb2.Image(encoded=b""), "tiles[0].image.encoded"),
        (
            frame_pb2.Image(encoded=encoded(white(), ".jpg")[:-30]),
            "tiles[0].image.encoded",
        ),
        (frame_pb2.Image(encoded=huge_png()), "tiles[0].image.encoded"),
        (
            image_to_proto(np.zeros((65, 65, 3), np.uint8)),
            "tiles[0].image",
        ),
        (
            frame_pb2.Image(
                raw=frame_pb2.RawImage(
                    size=SIZE, format=frame_pb2.PIXEL_FORMAT_RGB24, pixels=b"123"
                )
            ),
            "tiles[0].image.raw.pixels",
        ),
    ],
    ids=["absent", "text", "empty", "truncated", "huge", "large", "wrong length"],
)
async def test_bad_image_costs_one_frame(
    serve: Any, image: frame_pb2.Image, field: str
) -> None:
    """A frame that cannot be used is answered with a status; the stream goes on."""
    refusals = FRAMES.labels("refused")._value.get()
    async with serve() as stub:
        call = await opened(stub)
        await call.write(frame(1, image))
        await call.write(frame(2))
        refused, found = await call.read(), await call.read()
    assert refused.frame.frame_index == 1
    assert refused.status.code == INVALID
    assert violated_field(refused.status) == field
    assert FRAMES.labels("refused")._value.get() == refusals + 1
    assert found.result.detections


def violated_field(status: Any) -> str:
    """Return the field that a status names."""
    return error_from_status(status).field


async def test_unnamed_frame_is_refused(serve: Any) -> None:
    """A frame without its camera, size or tiles costs one frame too."""
    async with serve() as stub:
        call = await opened(stub)
        for name in ("frame", "frame_size", "tiles"):
            request = frame(1)
            request.ClearField(name)
            await call.write(request)
            answer = await call.read()
            assert violated_field(answer.status).startswith(name)


async def test_one_pixel_shows_nobody(serve: Any) -> None:
    """An image of one pixel is searched."""
    async with serve() as stub:
        call = await opened(stub)
        await call.write(frame(0, image_to_proto(np.zeros((1, 1, 3), np.uint8))))
        answer = await call.read()
    assert answer.WhichOneof("outcome") == "result"
    assert not answer.result.detections


async def test_exceeding_the_window_ends_the_stream(serve: Any) -> None:
    """A client that sends more than its credit is ended with RESOURCE_EXHAUSTED."""
    detector = FakeDetector()
    async with serve(detector, window=2) as stub:
        call = await opened(stub)
        detector.gate.clear()
        for index in range(3):
            await call.write(frame(index))
        code = await call.code()
        detector.gate.set()
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_half_closed_stream_answers_what_was_sent(serve: Any) -> None:
    """A client that has said all it will still gets every answer."""
    async with serve() as stub:
        call = await opened(stub)
        for index in range(3):
            await call.write(frame(index))
        await call.done_writing()
        indices = [(await call.read()).frame.frame_index for _ in range(3)]
        assert indices == [0, 1, 2]
        assert await call.read() is aio.EOF


async def test_cancelled_stream_leaves_the_server_well(serve: Any) -> None:
    """After a client went away in the middle, others are served."""
    detector = FakeDetector(max_batch=1)
    async with serve(detector) as stub:
        call = await opened(stub)
        detector.gate.clear()
        await call.write(frame(0))
        assert await asyncio.to_thread(detector.entered.acquire, timeout=10)
        call.cancel()
        detector.gate.set()
        again = await opened(stub)
        await again.write(frame(1))
        assert (await again.read()).result.detections


async def test_draining_stream_answers_what_it_has(serve: Any) -> None:
    """Told to drain, a stream says so, and still answers what was sent."""
    detector, drain = FakeDetector(), DrainSignal(grace_s=5.0)
    async with serve(detector, drain=drain) as stub:
        call = await opened(stub)
        detector.gate.clear()
        await call.write(frame(0))
        assert await asyncio.to_thread(detector.entered.acquire, timeout=10)
        drain.start()
        detector.gate.set()
        outcomes = [await call.read(), await call.read()]
        await call.done_writing()
        assert await call.read() is aio.EOF
        assert await call.code() is grpc.StatusCode.OK
    kinds = {answer.WhichOneof("outcome") for answer in outcomes}
    assert kinds == {"result", "drain"}
    (asked,) = (a.drain for a in outcomes if a.WhichOneof("outcome") == "drain")
    assert asked.grace.seconds == 5


async def test_old_streams_drain(serve: Any) -> None:
    """A stream that reached its age is asked to reopen."""
    drain = DrainSignal(grace_s=5.0, max_stream_age_s=0.01)
    async with serve(drain=drain) as stub:
        call = await opened(stub)
        assert (await call.read()).WhichOneof("outcome") == "drain"


async def test_client_stream_keeps_to_the_window(serve: Any) -> None:
    """Our own client sends many frames through a small window, in order."""
    async with serve(window=2) as stub:
        stream = ItemStream(stub.Detect, StatelessDialect(), name="detect")
        try:
            answers = await asyncio.gather(
                *(stream.ask(frame(index)) for index in range(30))
            )
        finally:
            await stream.close()
    assert [answer.frame.frame_index for answer in answers] == list(range(30))


async def test_broken_model_is_an_internal_error(serve: Any) -> None:
    """What the model raises is not told to the client."""

    def find(_pixels: Any) -> Any:
        raise RuntimeError("secret path")

    async with serve(FakeDetector(find)) as stub:
        call = await opened(stub)
        await call.write(frame(0))
        assert await call.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in await call.details()
