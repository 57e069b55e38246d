"""A client that talks to a tracker message by message."""

import contextlib
from collections.abc import AsyncIterator, Sequence

import grpc
import numpy as np
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from services.common.convert import ns_to_timestamp
from services.common.drain import DrainSignal
from services.common.environ import Environ
from services.common.grpc_client import open_channel
from services.common.grpc_server import running_server
from services.tracker.bootstrap import build
from services.tracker.config import TrackerConfig, config_from_environ
from spoton.common.v1 import frame_pb2, geometry_pb2
from spoton.tracker.v1 import tracker_pb2, tracker_pb2_grpc

START_NS = 1_700_000_000_000_000_000
Call = aio.StreamStreamCall[tracker_pb2.TrackRequest, tracker_pb2.TrackResponse]


def config(**variables: object) -> TrackerConfig:
    """Return a configuration with some variables set."""
    values = {f"SPOTON_TRACKER_{name}": str(v) for name, v in variables.items()}
    return config_from_environ(Environ("SPOTON_TRACKER_", values))


@contextlib.asynccontextmanager
async def tracker_stub(
    settings: TrackerConfig, drain: DrainSignal | None = None
) -> AsyncIterator[tracker_pb2_grpc.TrackerServiceStub]:
    """Serve a tracker on a free port and yield a stub for it."""
    async with (
        running_server(build(settings, drain or DrainSignal())) as address,
        open_channel(address) as channel,
    ):
        yield tracker_pb2_grpc.TrackerServiceStub(channel)


def opening(**fields: object) -> tracker_pb2.TrackRequest:
    """Return a message that opens a stream, with some fields set differently."""
    values = {
        "environment_id": "plaza",
        "session_id": "session-1",
        "camera_id": "left",
        "frame_size": geometry_pb2.ImageSize(width=1920, height=1080),
        "high_score": 0.6,
        "low_score": 0.1,
    }
    return tracker_pb2.TrackRequest(open=tracker_pb2.TrackOpen(**(values | fields)))


def box(x_px: float, foot_px: float = 800.0) -> tuple[float, float, float, float]:
    """Return the corners of a person who stands at a point."""
    return x_px - 40, foot_px - 200, x_px + 40, foot_px


def frame(
    index: int,
    boxes_px: Sequence[Sequence[float]] = (),
    *,
    time_s: float | None = None,
    camera_id: str = "left",
    session_id: str = "session-1",
) -> tracker_pb2.TrackRequest:
    """Return a frame at 10 Hz."""
    offset_s = index / 10 if time_s is None else time_s
    reference = frame_pb2.FrameRef(
        session_id=session_id,
        camera_id=camera_id,
        frame_index=index,
        capture_time=ns_to_timestamp(START_NS + round(offset_s * 1e9)),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    detections = [
        frame_pb2.Detection(
            box=geometry_pb2.Box(x_min=a, y_min=b, x_max=c, y_max=d), score=0.9
        )
        for a, b, c, d in boxes_px
    ]
    content = tracker_pb2.TrackFrame(frame=reference, detections=detections)
    return tracker_pb2.TrackRequest(frame=content)


def embeddings(
    asked: tracker_pb2.TrackResponse,
    values: Sequence[float] = (1.0, 0.0, 0.0),
    model_id: str = "stripes",
    indices: Sequence[int] | None = None,
) -> tracker_pb2.TrackRequest:
    """Return the same vector for every detection that was asked for."""
    packed = np.array(values, "<f4").tobytes()
    wanted = asked.embeddings_wanted.detection_indices if indices is None else indices
    return tracker_pb2.TrackRequest(
        embeddings=tracker_pb2.TrackEmbeddings(
            frame=asked.frame,
            embeddings=[
                tracker_pb2.DetectionEmbedding(
                    detection_index=index,
                    embedding=frame_pb2.Embedding(model_id=model_id, values=packed),
                )
                for index in wanted
            ],
        )
    )


async def opened(stub: tracker_pb2_grpc.TrackerServiceStub, **fields: object) -> Call:
    """Return a stream that is open and announced its window."""
    call: Call = stub.Track()
    await call.write(opening(**fields))
    first = await call.read()
    assert first.WhichOneof("outcome") == "window"
    return call


async def ask(
    call: Call, request: tracker_pb2.TrackRequest
) -> tracker_pb2.TrackResponse:
    """Return the answer to one message."""
    await call.write(request)
    return await call.read()


async def walk(call: Call, frames: range) -> tracker_pb2.TrackResponse:
    """Let one person walk, answer what is asked, and return the last answer."""
    for index in frames:
        answer = await ask(call, frame(index, [box(500 + 10 * index)]))
        if answer.WhichOneof("outcome") == "embeddings_wanted":
            answer = await ask(call, embeddings(answer))
    return answer


async def rest(call: Call) -> list[tracker_pb2.TrackResponse]:
    """Return what comes until the stream ends.

    Raises:
        AioRpcError: It ends with an error.
    """
    answers = []
    while (answer := await call.read()) is not aio.EOF:
        answers.append(answer)
    if await call.code() is not grpc.StatusCode.OK:
        raise aio.AioRpcError(
            await call.code(),
            await call.initial_metadata(),
            await call.trailing_metadata(),
            await call.details(),
        )
    return answers


def violated_field(status: status_pb2.Status) -> str:
    """Return the field that a status complains about."""
    detail = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(detail)
    return detail.field_violations[0].field
