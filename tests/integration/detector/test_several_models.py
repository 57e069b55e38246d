"""One service runs several models; each request chooses among them."""

import asyncio
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest

from services.common.batching import BatchSettings
from services.common.broken_answers import BrokenAnswer
from services.common.convert import image_to_proto
from services.common.errors import (
    DeadlineExceeded,
    NotFound,
    Overloaded,
    Unavailable,
)
from services.common.grpc_errors import error_from_status
from services.detector.config import DetectorConfig, load_config
from services.detector.domain.detections import Detections
from services.detector.domain.geometry import Size
from services.detector.observe import BROKEN_ANSWERS, FRAMES
from spoton.common.v1 import frame_pb2, geometry_pb2
from spoton.detector.v1 import detector_pb2
from tests.fakes.detector import FakeDetector
from tests.integration.refusals import failure

FIRST, SECOND = "movenet-multipose", "yolox-nano"


def config() -> DetectorConfig:
    """Return the configuration of two models."""
    return load_config({"SPOTON_DETECTOR_MODEL": f"{FIRST}, {SECOND}"})


def models() -> tuple[FakeDetector, FakeDetector]:
    """Return a small model, and a larger one that finds nobody."""
    return (
        FakeDetector(input_size=Size(64, 64)),
        FakeDetector(lambda _pixels: Detections.none(), input_size=Size(128, 128)),
    )


def picture(side: int = 50) -> frame_pb2.Image:
    """Return a white picture."""
    return image_to_proto(np.full((side, side, 3), 255, np.uint8))


def frame(index: int, model_id: str, side: int = 50) -> detector_pb2.DetectRequest:
    """Return a frame that names its model."""
    return detector_pb2.DetectRequest(
        frame=frame_pb2.FrameRef(session_id="s", camera_id="c", frame_index=index),
        frame_size=geometry_pb2.ImageSize(width=200, height=200),
        tiles=[
            detector_pb2.Tile(
                image=picture(side), region=geometry_pb2.Box(x_max=200, y_max=200)
            )
        ],
        model_id=model_id,
    )


async def asked(
    stub: Any, *requests: detector_pb2.DetectRequest
) -> list[detector_pb2.DetectResponse]:
    """Return the answers to the frames of one stream."""
    call = stub.Detect()
    await call.read()
    answers = []
    for request in requests:
        await call.write(request)
        answers.append(await call.read())
    await call.done_writing()
    return answers


async def test_all_models_are_listed(serve: Any) -> None:
    """ListModels describes each model, the default first, and names the default."""
    async with serve(*models(), config=config()) as stub:
        answer = await stub.ListModels(detector_pb2.ListModelsRequest(), timeout=10)
    assert [model.model_id for model in answer.models] == [FIRST, SECOND]
    assert answer.default_model_id == FIRST
    assert [model.has_keypoints for model in answer.models] == [True, False]


@pytest.mark.parametrize(("asked_for", "told"), [("", FIRST), (SECOND, SECOND)])
async def test_one_model_is_described(serve: Any, asked_for: str, told: str) -> None:
    """GetModel describes the model that it names, or the default."""
    async with serve(*models(), config=config()) as stub:
        request = detector_pb2.GetModelRequest(model_id=asked_for)
        answer = await stub.GetModel(request, timeout=10)
    assert answer.model.model_id == told


async def test_frames_choose_their_model(serve: Any) -> None:
    """Each frame of a stream is searched by the model that it names."""
    async with serve(*models(), config=config()) as stub:
        default, first, second = await asked(
            stub, frame(0, ""), frame(1, FIRST), frame(2, SECOND)
        )
    ids = [answer.result.model_id for answer in (default, first, second)]
    assert ids == [FIRST, FIRST, SECOND]
    counts = [len(a.result.detections) for a in (default, first, second)]
    assert counts == [1, 1, 0]


async def test_tiles_are_as_large_as_their_model_reads(serve: Any) -> None:
    """A tile that is too large for one model is right for another."""
    async with serve(*models(), config=config()) as stub:
        refused, fine = await asked(
            stub, frame(0, FIRST, side=100), frame(1, SECOND, side=100)
        )
    assert error_from_status(refused.status).field == "tiles[0].image"
    assert fine.WhichOneof("outcome") == "result"


async def test_an_unknown_model_costs_one_frame(serve: Any) -> None:
    """A frame that names a model that is not served is answered with NOT_FOUND."""
    async with serve(*models(), config=config()) as stub:
        refused, fine = await asked(stub, frame(0, "yolox-huge"), frame(1, ""))
    error = error_from_status(refused.status)
    assert isinstance(error, NotFound)
    assert error.field == "model_id"
    assert f"{FIRST}, {SECOND}" in error.message
    assert fine.WhichOneof("outcome") == "result"


@pytest.mark.parametrize("rpc", ["GetModel", "DetectImage"])
async def test_an_unknown_model_is_not_found(serve: Any, rpc: str) -> None:
    """Single calls end in NOT_FOUND, which names the field and what is served."""
    request = {
        "GetModel": detector_pb2.GetModelRequest(model_id="nothing"),
        "DetectImage": detector_pb2.DetectImageRequest(
            image=picture(), model_id="nothing"
        ),
    }[rpc]
    async with serve(*models(), config=config()) as stub:
        error = await failure(getattr(stub, rpc)(request, timeout=10))
    assert isinstance(error, NotFound)
    assert error.field == "model_id"
    assert FIRST in error.message


async def test_images_choose_their_model(serve: Any) -> None:
    """A single image is searched by the model that it names."""
    async with serve(*models(), config=config()) as stub:
        request = detector_pb2.DetectImageRequest(image=picture(), model_id=SECOND)
        answer = await stub.DetectImage(request, timeout=10)
    assert answer.model_id == SECOND
    assert not answer.detections


async def test_models_do_not_share_batches(serve: Any) -> None:
    """Streams share the batches of one model; another model has its own."""
    first, second = models()
    patient = replace(config(), batching=BatchSettings(max_batch=2, max_wait_s=10.0))
    async with serve(first, second, config=patient) as stub:
        calls = [stub.Detect() for _ in range(4)]
        for call, model_id in zip(calls, (FIRST, SECOND) * 2, strict=True):
            await call.read()
            await call.write(frame(0, model_id))
        for call in calls:
            await call.read()
            await call.done_writing()
    assert (first.batches, second.batches) == ([2], [2])


def nan_if_bright(pixels: np.ndarray) -> Detections | BrokenAnswer:
    """Break on white pictures of 40 pixels."""
    if len(pixels) == 40:
        return BrokenAnswer(FIRST)  # type: ignore[arg-type]
    return Detections.none()


async def test_nan_costs_one_frame(serve: Any, capsys: Any) -> None:
    """A frame for which the model answers NaN is INTERNAL, counted, and logged."""
    detector = FakeDetector(nan_if_bright, max_batch=2)
    patient = replace(load_config({}), batching=BatchSettings(2, max_wait_s=10.0))
    counted = BROKEN_ANSWERS.labels(FIRST)._value.get()
    failed = FRAMES.labels("failed")._value.get()
    async with serve(detector, config=patient) as stub:
        broken, fine = await asyncio.gather(
            asked(stub, frame(0, "", side=40)), asked(stub, frame(1, "", side=50))
        )
    assert broken[0].status.code == grpc.StatusCode.INTERNAL.value[0]
    # Those would be asked again, for ever.
    error = error_from_status(broken[0].status)
    assert not isinstance(error, Unavailable | Overloaded | DeadlineExceeded)
    assert FIRST in error.message
    assert fine[0].WhichOneof("outcome") == "result"
    assert detector.batches == [2]
    assert BROKEN_ANSWERS.labels(FIRST)._value.get() == counted + 1
    assert FRAMES.labels("failed")._value.get() == failed + 1
    assert "not finite" in capsys.readouterr().out


async def test_nan_in_an_image_is_internal(serve: Any) -> None:
    """A single image for which the model answers NaN ends in INTERNAL."""
    async with serve(FakeDetector(nan_if_bright)) as stub:
        request = detector_pb2.DetectImageRequest(image=picture(40))
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await stub.DetectImage(request, timeout=10)
    assert ended.value.code() is grpc.StatusCode.INTERNAL
