"""Embedding on a real server."""

import os
from pathlib import Path

import cv2
import grpc
import numpy as np
import pytest
from google.rpc import code_pb2
from grpc import aio

from services.common.convert import image_to_proto
from services.common.drain import DrainSignal
from services.common.errors import InvalidInput
from services.common.grpc_errors import error_from_status
from services.reid.adapters.embedders.stripes import MODEL
from spoton.common.v1 import frame_pb2
from spoton.reid.v1 import reid_pb2
from tests.fakes.pictures import HOSTILE_FILES
from tests.integration.refusals import failure
from tests.integration.reid.conftest import Stub, service_config, serving


def crop(seed: int, height: int = 128, width: int = 64) -> np.ndarray:
    """Return a colourful crop."""
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 4, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)


def request(number: int, image: frame_pb2.Image) -> reid_pb2.EmbedRequest:
    """Return the message of a crop."""
    frame = frame_pb2.FrameRef(
        session_id="session", camera_id="east", frame_index=number
    )
    return reid_pb2.EmbedRequest(frame=frame, crop_id=number, crop=image)


async def test_the_model_is_described(reid: Stub) -> None:
    """What runs, and which crops it wants, can be asked for."""
    model = (await reid.GetModel(reid_pb2.GetModelRequest())).model
    assert model.model_id == MODEL.model_id
    assert (model.input_size.width, model.input_size.height) == (64, 128)
    assert model.dimensions == MODEL.dimensions
    assert model.pixel_format == frame_pb2.PIXEL_FORMAT_RGB24


async def test_crops_are_answered_in_order_bad_ones_included(reid: Stub) -> None:
    """A crop that is no picture costs one item, never the stream."""
    call = reid.Embed()
    window = (await call.read()).window.max_in_flight
    assert window >= 1
    images = [
        image_to_proto(crop(1)),
        frame_pb2.Image(encoded=b"no picture"),
        image_to_proto(crop(3)),
        frame_pb2.Image(),
        frame_pb2.Image(encoded=cv2.imencode(".png", crop(5))[1].tobytes()),
    ]
    for number, image in enumerate(images):
        await call.write(request(number, image))
    answers = [await call.read() for _ in images]
    assert [answer.crop_id for answer in answers] == [0, 1, 2, 3, 4]
    assert [answer.WhichOneof("outcome") for answer in answers] == [
        "embedding",
        "status",
        "embedding",
        "status",
        "embedding",
    ]
    for answer in answers[::2]:
        vector = np.frombuffer(answer.embedding.values, "<f4")
        assert vector.shape == (MODEL.dimensions,)
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
    await call.done_writing()
    assert await call.read() is aio.EOF


async def test_one_crop_gets_the_vector_of_the_stream(reid: Stub) -> None:
    """The unary twin answers the same as the stream, whatever the size."""
    image = image_to_proto(crop(7))
    call = reid.Embed()
    await call.read()
    await call.write(request(1, image))
    streamed = (await call.read()).embedding
    single = await reid.EmbedImage(reid_pb2.EmbedImageRequest(crop=image))
    assert single.embedding == streamed
    tiny = reid_pb2.EmbedImageRequest(crop=image_to_proto(crop(7, 1, 1)))
    assert (await reid.EmbedImage(tiny)).embedding.model_id == MODEL.model_id
    call.cancel()


@pytest.mark.parametrize("file", HOSTILE_FILES.values(), ids=HOSTILE_FILES)
async def test_a_bad_crop_is_refused_by_field(reid: Stub, file: bytes) -> None:
    """A file that is no usable picture is invalid, alone and in a stream."""
    image = frame_pb2.Image(encoded=file)
    error = await failure(reid.EmbedImage(reid_pb2.EmbedImageRequest(crop=image)))
    assert isinstance(error, InvalidInput)
    assert error.field == "crop.encoded"
    call = reid.Embed()
    await call.read()
    await call.write(request(1, image))
    status = (await call.read()).status
    assert status.code == code_pb2.INVALID_ARGUMENT
    assert error_from_status(status).field == "crop.encoded"
    await call.write(request(2, image_to_proto(crop(1))))
    assert (await call.read()).HasField("embedding")
    call.cancel()


async def test_a_half_closed_stream_answers_what_was_sent(reid: Stub) -> None:
    """A client that has said all it will still gets every vector."""
    call = reid.Embed()
    await call.read()
    for number in range(3):
        await call.write(request(number, image_to_proto(crop(number))))
    await call.done_writing()
    assert [(await call.read()).crop_id for _ in range(3)] == [0, 1, 2]
    assert await call.read() is aio.EOF


async def test_an_empty_stream_ends_well(reid: Stub) -> None:
    """A stream without a crop gets its window and ends with OK."""
    call = reid.Embed()
    await call.done_writing()
    assert (await call.read()).WhichOneof("outcome") == "window"
    assert await call.read() is aio.EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_a_cancelled_stream_leaves_the_server_well(reid: Stub) -> None:
    """After a client went away with crops unanswered, others are served."""
    call = reid.Embed()
    await call.read()
    for number in range(4):
        await call.write(request(number, image_to_proto(crop(number))))
    call.cancel()
    image = image_to_proto(crop(1))
    answer = await reid.EmbedImage(reid_pb2.EmbedImageRequest(crop=image))
    assert answer.embedding.model_id == MODEL.model_id


@pytest.mark.skipif(
    not os.environ.get("SPOTON_MODEL_DIR"), reason="SPOTON_MODEL_DIR is not set"
)
@pytest.mark.parametrize(
    "name", ["osnet-x0-25-msmt17", "person-reidentification-retail-0248"]
)
async def test_networks_answer_like_stripes(
    name: str, postgres_dsn: str, valkey_url: str, s3: object, tmp_path: Path
) -> None:
    """A network of the registry answers with vectors of its own length."""
    config = service_config(postgres_dsn, valkey_url, s3, EMBEDDER=name)
    async with serving(config, DrainSignal()) as reid:
        model = (await reid.GetModel(reid_pb2.GetModelRequest())).model
        assert model.model_id == name
        image = image_to_proto(crop(1, 256, 128))
        answer = await reid.EmbedImage(reid_pb2.EmbedImageRequest(crop=image))
    assert answer.embedding.model_id == name
    assert len(answer.embedding.values) == 4 * model.dimensions
