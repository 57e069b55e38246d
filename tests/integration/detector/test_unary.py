"""Single images and the description of the model, over a real connection."""

import asyncio
from typing import Any

import cv2
import grpc
import numpy as np
import pytest
from grpc import aio

from services.common.convert import image_to_proto
from services.common.errors import InvalidInput
from spoton.common.v1 import frame_pb2
from spoton.detector.v1 import detector_pb2
from tests.fakes.detector import FakeDetector
from tests.fakes.pictures import HOSTILE_FILES
from tests.integration.refusals import failure


def request(image: frame_pb2.Image) -> detector_pb2.DetectImageRequest:
    """Return the request for one image."""
    return detector_pb2.DetectImageRequest(image=image)


async def test_large_image_is_scaled(serve: Any) -> None:
    """An image larger than the model reads is answered in its own pixels."""
    pixels = np.zeros((400, 800, 3), np.uint8)
    pixels[100:300, 200:280] = 255
    file = frame_pb2.Image(encoded=cv2.imencode(".jpg", pixels)[1].tobytes())
    async with serve() as stub:
        answer = await stub.DetectImage(request(file), timeout=10)
    assert (answer.image_size.width, answer.image_size.height) == (800, 400)
    assert answer.model_id == "movenet-multipose"
    (person,) = answer.detections
    box = (person.box.x_min, person.box.y_min, person.box.x_max, person.box.y_max)
    np.testing.assert_allclose(box, (200, 100, 280, 300), atol=15)


async def test_bgr_pixels_are_understood(serve: Any) -> None:
    """Raw pixels of the other order are searched too."""
    image = image_to_proto(np.full((10, 10, 3), 255, np.uint8))
    image.raw.format = frame_pb2.PIXEL_FORMAT_BGR24
    async with serve() as stub:
        answer = await stub.DetectImage(request(image), timeout=10)
    assert len(answer.detections) == 1


async def test_one_pixel_shows_nobody(serve: Any) -> None:
    """The smallest image there is has an answer."""
    image = image_to_proto(np.zeros((1, 1, 3), np.uint8))
    async with serve() as stub:
        answer = await stub.DetectImage(request(image), timeout=10)
    assert (answer.image_size.width, answer.image_size.height) == (1, 1)
    assert not answer.detections


@pytest.mark.parametrize("file", HOSTILE_FILES.values(), ids=HOSTILE_FILES)
async def test_bad_image_is_refused(serve: Any, file: bytes) -> None:
    """A file that is no usable image ends in INVALID_ARGUMENT with its field."""
    async with serve() as stub:
        error = await failure(
            stub.DetectImage(request(frame_pb2.Image(encoded=file)), timeout=10)
        )
    assert isinstance(error, InvalidInput)
    assert error.field == "image.encoded"


async def test_absent_image_is_refused(serve: Any) -> None:
    """A request without an image names the field too."""
    async with serve() as stub:
        error = await failure(stub.DetectImage(request(frame_pb2.Image()), timeout=10))
    assert isinstance(error, InvalidInput)
    assert error.field == "image"


async def test_too_many_images_are_refused(serve: Any) -> None:
    """Beyond the limit of images under way the answer is RESOURCE_EXHAUSTED."""
    detector = FakeDetector()
    detector.gate.clear()
    image = request(image_to_proto(np.zeros((4, 4, 3), np.uint8)))
    async with serve(detector) as stub:
        first = asyncio.ensure_future(stub.DetectImage(image, timeout=10))
        assert await asyncio.to_thread(detector.entered.acquire, timeout=10)
        with pytest.raises(aio.AioRpcError) as refused:
            await stub.DetectImage(image, timeout=10)
        detector.gate.set()
        await first
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_deadline_is_kept(serve: Any) -> None:
    """A call ends at its deadline, and the next one is answered."""
    detector = FakeDetector()
    detector.gate.clear()
    image = request(image_to_proto(np.zeros((4, 4, 3), np.uint8)))
    async with serve(detector) as stub:
        with pytest.raises(aio.AioRpcError) as late:
            await stub.DetectImage(image, timeout=0.2)
        detector.gate.set()
        await stub.DetectImage(image, timeout=10, wait_for_ready=True)
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_model_is_described(serve: Any) -> None:
    """GetModel tells what frames to send and what scores mean."""
    async with serve() as stub:
        answer = await stub.GetModel(detector_pb2.GetModelRequest(), timeout=10)
    assert answer.model.model_id == "movenet-multipose"
    assert answer.model.input_size.width % 32 == 0
    assert answer.model.tile_policy.columns >= 1
