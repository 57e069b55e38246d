"""The Track stream as its clients see it."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from google.rpc import code_pb2
from grpc import aio

from services.common.drain import DrainSignal
from services.common.grpc_errors import error_from_rpc
from spoton.tracker.v1 import tracker_pb2, tracker_pb2_grpc
from tests.integration.tracker.conversations import (
    Call,
    ask,
    box,
    config,
    embeddings,
    frame,
    opened,
    opening,
    rest,
    tracker_stub,
    violated_field,
    walk,
)

Stub = tracker_pb2_grpc.TrackerServiceStub


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    """Serve a tracker with the default configuration."""
    async with tracker_stub(config()) as client:
        yield client


async def _end(call: Call) -> aio.AioRpcError:
    """Return the error that a stream ends with."""
    with pytest.raises(aio.AioRpcError) as caught:
        await rest(call)
    return caught.value


async def test_a_person_becomes_a_track(stub: Stub) -> None:
    """Three frames make a confirmed track with everything that is promised."""
    call = await opened(stub)
    request = frame(2, [box(520)])
    await walk(call, range(2))
    answer = await ask(call, request)
    (track,) = answer.result.tracks
    assert answer.frame == request.frame.frame
    assert track.track_id == 1
    assert track.state == tracker_pb2.TRACK_STATE_CONFIRMED
    assert track.detection_index == 0
    assert track.age_frames == 3
    assert track.score == pytest.approx(0.9)
    assert (track.box.x_min, track.box.y_max) == (480.0, 800.0)
    assert (track.foot_point.point.x, track.foot_point.point.y) == (520.0, 800.0)
    assert track.foot_point.visibility == 1.0


async def test_a_coasted_track_has_no_detection(stub: Stub) -> None:
    """What is only predicted says so by the absence of an index."""
    call = await opened(stub)
    await walk(call, range(5))
    answer = await ask(call, frame(5))
    (track,) = answer.result.tracks
    assert track.state == tracker_pb2.TRACK_STATE_COASTED
    assert not track.HasField("detection_index")
    assert track.score == 0.0


async def test_a_half_closed_stream_answers_what_was_sent(stub: Stub) -> None:
    """Frames before the client's end are answered, then the stream ends well."""
    call = await opened(stub)
    for index in range(5):
        await call.write(frame(index, [box(500)]))
    await call.done_writing()
    indices = [answer.frame.frame_index for answer in await rest(call)]
    assert indices == [0, 1, 2, 3, 4]


async def test_a_stream_with_no_frames_ends_well(stub: Stub) -> None:
    """Opening and leaving is no error."""
    call = await opened(stub)
    await call.done_writing()
    assert await rest(call) == []


async def test_a_cancelled_stream_leaves_the_server_well(stub: Stub) -> None:
    """The next stream works after one was cancelled in the middle of a question."""
    call = await opened(stub, embeddings_available=True)
    await walk(call, range(2))
    asked = await ask(call, frame(2, [box(520)]))
    assert asked.WhichOneof("outcome") == "embeddings_wanted"
    call.cancel()
    assert (await walk(await opened(stub), range(3))).result.tracks


async def test_streams_of_two_cameras_share_nothing(stub: Stub) -> None:
    """Each camera counts its own tracks from one."""
    left = await opened(stub)
    right = await opened(stub, camera_id="right")
    await walk(left, range(3))
    answer = await ask(right, frame(0, [box(100)], camera_id="right"))
    assert [track.track_id for track in answer.result.tracks] == [1]


async def test_a_crowd_is_tracked(stub: Stub) -> None:
    """A frame that is computed beside the event loop is answered like any other."""
    call = await opened(stub)
    crowd = [box(20 + 12 * n, 300 + n) for n in range(150)]
    answer = await ask(call, frame(0, crowd))
    assert [track.track_id for track in answer.result.tracks] == list(range(1, 151))


# Protocol


async def test_an_empty_stream_is_refused(stub: Stub) -> None:
    """A stream must be opened before it is closed."""
    call: Call = stub.Track()
    await call.done_writing()
    error = await _end(call)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error_from_rpc(error).field == "open"


async def test_a_stream_that_is_not_opened_first_is_refused(stub: Stub) -> None:
    """Nothing comes before the opening message."""
    call: Call = stub.Track()
    await call.write(frame(0))
    assert (await _end(call)).code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_stream_that_is_never_opened_times_out() -> None:
    """A silent client does not hold a stream for ever."""
    async with tracker_stub(config(OPENING_TIMEOUT_S=0.1)) as stub:
        error = await _end(stub.Track())
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"environment_id": ""}, "open.environment_id"),
        ({"session_id": "Not An Id"}, "open.session_id"),
        ({"camera_id": ""}, "open.camera_id"),
        ({"frame_size": None}, "open.frame_size.width"),
        ({"high_score": 0.0}, "open.high_score"),
        ({"high_score": float("nan")}, "open.high_score"),
        ({"low_score": 0.7}, "open.low_score"),
        ({"tracker": "unheard-of"}, "open.tracker"),
        ({"checkpoint": b"not a checkpoint"}, "open.checkpoint"),
    ],
)
async def test_a_wrong_opening_names_its_field(
    stub: Stub, fields: dict[str, object], field: str
) -> None:
    """The client learns which field of its opening cannot be."""
    call: Call = stub.Track()
    await call.write(opening(**fields))
    error = await _end(call)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error_from_rpc(error).field == field


@pytest.mark.parametrize(
    "request_",
    [
        opening(),
        tracker_pb2.TrackRequest(),
        frame(1, camera_id="right"),
        frame(1, session_id="session-2"),
        embeddings(tracker_pb2.TrackResponse(frame=frame(0).frame.frame)),
    ],
    ids=["second open", "nothing", "other camera", "other session", "not asked"],
)
async def test_breaking_the_protocol_ends_the_stream(
    stub: Stub, request_: tracker_pb2.TrackRequest
) -> None:
    """What no correct client sends is answered by the end of the stream."""
    call = await opened(stub)
    await ask(call, frame(0, [box(500)]))
    await call.write(request_)
    assert (await _end(call)).code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_exceeding_the_window_ends_the_stream() -> None:
    """A client that sends more than its credit is overloading the server."""
    async with tracker_stub(config(WINDOW=2)) as stub:
        call = await opened(stub, embeddings_available=True)
        await walk(call, range(2))
        asked = await ask(call, frame(2, [box(520)]))
        assert asked.WhichOneof("outcome") == "embeddings_wanted"
        await call.write(frame(3))
        await call.write(frame(4))
        error = await _end(call)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


# Frames that cannot be used


@pytest.mark.parametrize(
    ("request_", "code", "field"),
    [
        (frame(9, time_s=0.2), code_pb2.ABORTED, "frame.capture_time"),
        (frame(9, time_s=0.1), code_pb2.ABORTED, "frame.capture_time"),
        (frame(9, time_s=4000), code_pb2.INVALID_ARGUMENT, "frame.capture_time"),
        (frame(9, time_s=-1.7e9), code_pb2.INVALID_ARGUMENT, "frame.capture_time"),
        (
            frame(9, [box(1), (float("nan"), 0, 5, 5)]),
            code_pb2.INVALID_ARGUMENT,
            "detections[1].box",
        ),
        (frame(9, [(9, 0, 5, 5)]), code_pb2.INVALID_ARGUMENT, "detections[0].box"),
        (frame(9, [box(9000)]), code_pb2.INVALID_ARGUMENT, "detections[0].box"),
        (frame(9, [box(500)] * 1001), code_pb2.INVALID_ARGUMENT, "detections"),
    ],
    ids=[
        "twice",
        "out of order",
        "from the future",
        "before 1970",
        "nan",
        "inverted",
        "outside",
        "too many",
    ],
)
async def test_an_unusable_frame_costs_only_itself(
    stub: Stub, request_: tracker_pb2.TrackRequest, code: int, field: str
) -> None:
    """The frame is answered with why, and the next one finds its tracks."""
    call = await opened(stub)
    await walk(call, range(3))
    answer = await ask(call, request_)
    assert answer.frame == request_.frame.frame
    assert answer.status.code == code
    assert violated_field(answer.status) == field
    after = await walk(call, range(3, 4))
    assert [track.track_id for track in after.result.tracks] == [1]


# The second step


async def test_a_frame_may_take_a_second_step(stub: Stub) -> None:
    """Vectors that were asked for are followed by the tracks of that frame."""
    call = await opened(stub, embeddings_available=True)
    await walk(call, range(2))
    asked = await ask(call, frame(2, [box(520)]))
    assert list(asked.embeddings_wanted.detection_indices) == [0]
    answer = await ask(call, embeddings(asked))
    assert answer.frame.frame_index == 2
    assert len(answer.result.tracks) == 1


async def test_nothing_is_asked_of_a_client_without_vectors(stub: Stub) -> None:
    """Every frame takes one step when embeddings are not available."""
    call = await opened(stub, embeddings_available=False)
    for index in range(6):
        answer = await ask(call, frame(index, [box(500), box(540, 810)]))
        assert answer.WhichOneof("outcome") == "result"


async def test_frames_wait_for_the_vectors_of_the_one_before(stub: Stub) -> None:
    """Frames sent ahead are answered after the frame that was asked about."""
    call = await opened(stub, embeddings_available=True)
    await walk(call, range(2))
    asked = await ask(call, frame(2, [box(520)]))
    await call.write(frame(3, [box(530)]))
    first = await ask(call, embeddings(asked))
    second = await call.read()
    assert [first.frame.frame_index, second.frame.frame_index] == [2, 3]


async def test_a_client_may_leave_a_question_unanswered(stub: Stub) -> None:
    """After a half-close frames are decided by motion alone."""
    call = await opened(stub, embeddings_available=True)
    await walk(call, range(2))
    await call.write(frame(2, [box(520)]))
    await call.write(frame(3, [box(530)]))
    await call.done_writing()
    results = [answer for answer in await rest(call) if answer.HasField("result")]
    assert [answer.frame.frame_index for answer in results] == [2, 3]


async def test_vectors_that_never_come_end_the_stream() -> None:
    """A client that does not answer in time loses its stream."""
    async with tracker_stub(config(VECTORS_TIMEOUT_S=0.1)) as stub:
        call = await opened(stub, embeddings_available=True)
        await walk(call, range(2))
        await call.write(frame(2, [box(520)]))
        error = await _end(call)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"values": (1.0, 0.0)}, "embeddings[0].embedding.values"),
        ({"values": ()}, "embeddings[0].embedding.values"),
        ({"values": (0.0, 0.0, 0.0)}, "embeddings[0].embedding.values"),
        ({"values": (float("nan"), 0, 0)}, "embeddings[0].embedding.values"),
        ({"model_id": "another"}, "embeddings[0].embedding.model_id"),
        ({"model_id": ""}, "embeddings[0].embedding.model_id"),
        ({"indices": [7]}, "embeddings[0].detection_index"),
        ({"indices": [0, 0]}, "embeddings[1].detection_index"),
    ],
)
async def test_wrong_vectors_cost_one_frame(
    stub: Stub, changes: dict[str, object], field: str
) -> None:
    """Length, zero, NaN, model and index are checked; the tracks stay as they were."""
    call = await opened(stub, embeddings_available=True)
    await walk(call, range(3))
    answer = await ask(call, frame(8, [box(580)]))
    assert answer.WhichOneof("outcome") == "embeddings_wanted"
    answer = await ask(call, embeddings(answer, **changes))
    assert answer.status.code == code_pb2.INVALID_ARGUMENT
    assert violated_field(answer.status) == field
    after = await walk(call, range(9, 10))
    assert [track.track_id for track in after.result.tracks] == [1]


# Checkpoints and drain


async def test_a_stream_goes_on_from_a_checkpoint(stub: Stub) -> None:
    """Another stream continues with the same ids, as if nothing had happened."""
    call = await opened(stub, checkpoint_interval=5)
    assert not (await walk(call, range(4))).result.checkpoint
    checkpoint = (await walk(call, range(4, 5))).result.checkpoint
    onward = await walk(call, range(5, 8))
    other = await opened(stub, checkpoint=checkpoint)
    assert (await walk(other, range(5, 8))).result == onward.result


async def test_the_order_of_frames_outlives_the_stream(stub: Stub) -> None:
    """A frame that the checkpoint covers is a conflict on the next stream too."""
    call = await opened(stub, checkpoint_interval=1)
    checkpoint = (await walk(call, range(3))).result.checkpoint
    other = await opened(stub, checkpoint=checkpoint)
    answer = await ask(other, frame(2, [box(520)]))
    assert answer.status.code == code_pb2.ABORTED


async def test_another_cameras_checkpoint_is_refused(stub: Stub) -> None:
    """A checkpoint continues only the camera that it was taken of."""
    call = await opened(stub, checkpoint_interval=1)
    checkpoint = (await walk(call, range(3))).result.checkpoint
    foreign: Call = stub.Track()
    await foreign.write(opening(checkpoint=checkpoint, camera_id="right"))
    error = await _end(foreign)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error_from_rpc(error).field == "open.checkpoint"


async def test_a_drained_stream_hands_over_its_state() -> None:
    """Drain carries the state after the last frame; what follows is still answered."""
    drain = DrainSignal(grace_s=10)
    async with tracker_stub(config(), drain) as stub:
        call = await opened(stub)
        last = await walk(call, range(4))
        drain.start()
        message = await call.read()
        assert message.drain.drain.grace.seconds == 10
        assert message.drain.checkpoint_frame == last.frame
        answer = await walk(call, range(4, 5))
        await call.done_writing()
        assert await rest(call) == []
    async with tracker_stub(config()) as stub:
        other = await opened(stub, checkpoint=message.drain.checkpoint)
        assert (await walk(other, range(4, 5))).result == answer.result


async def test_a_drained_stream_without_frames_has_no_state() -> None:
    """Where nothing was answered there is nothing to hand over."""
    drain = DrainSignal(grace_s=10)
    async with tracker_stub(config(), drain) as stub:
        call = await opened(stub)
        drain.start()
        message = await call.read()
    assert not message.drain.checkpoint
    assert not message.drain.HasField("checkpoint_frame")


async def test_a_client_that_does_not_leave_is_sent_away() -> None:
    """After the grace the stream ends as unavailable, so that clients retry."""
    drain = DrainSignal(grace_s=0.1)
    async with tracker_stub(config(), drain) as stub:
        call = await opened(stub)
        drain.start()
        error = await _end(call)
    assert error.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_stream_that_is_old_is_asked_to_reopen() -> None:
    """Streams move on after a while, so that new replicas get their share."""
    drain = DrainSignal(grace_s=10, max_stream_age_s=0.1)
    async with tracker_stub(config(), drain) as stub:
        call = await opened(stub)
        async with asyncio.timeout(10):
            message = await call.read()
    assert message.WhichOneof("outcome") == "drain"
