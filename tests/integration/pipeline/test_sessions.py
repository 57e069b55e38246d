"""Every RPC about sessions on real stores."""

from collections.abc import AsyncIterator

import grpc
import pytest
from grpc import aio

from spoton.mapper.v1 import environment_pb2
from spoton.pipeline.v1 import pipeline_pb2
from tests.fakes.session_runner import Runners
from tests.fakes.session_steps import Stub, create_session, get_session, until_session


@pytest.fixture
def runners() -> Runners:
    """Give runners that stand still until they are permitted."""
    return Runners()


@pytest.fixture
async def stub(pipeline, runners: Runners) -> AsyncIterator[Stub]:
    """Give a client of a running pipeline."""
    async with pipeline(runners) as running:
        yield running.stub


def names(session: pipeline_pb2.Session) -> dict[str, str]:
    """Return the fields that name a session in a request."""
    return {
        "environment_id": session.environment_id,
        "session_id": session.session_id,
    }


def is_running(session: pipeline_pb2.Session) -> bool:
    """Return whether frames are being processed."""
    return session.state == pipeline_pb2.SESSION_STATE_RUNNING


async def test_a_new_session_starts_at_once_with_all_cameras(
    stub: Stub, environment_id: str
) -> None:
    """Without cameras in the request all are tracked, in the order of their names."""
    created = await create_session(stub, environment_id)
    assert created.timeline_id
    assert [camera.camera_id for camera in created.cameras] == ["north", "south"]
    running = await until_session(stub, created, is_running)
    assert (running.epoch, running.owner) == (1, "test")


async def test_models_and_tracker_are_fixed_at_creation(
    stub: Stub, environment_id: str
) -> None:
    """They are the session's own choice, and else that of its environment."""
    request = pipeline_pb2.CreateSessionRequest(
        environment_id=environment_id,
        perception=environment_pb2.Perception(detector_model_id="yolox-nano"),
    )
    created = (await stub.CreateSession(request)).session
    read = await until_session(stub, created, is_running)
    chosen = environment_pb2.Perception(
        detector_model_id="yolox-nano", tracker="native"
    )
    assert created.perception == read.perception == chosen


async def test_a_session_runs_to_its_end(pipeline, environment_id: str) -> None:
    """Once every frame set is committed the session is complete, with its counts."""
    async with pipeline(Runners(last=4, permits=5)) as running:
        created = await create_session(running.stub, environment_id)
        ended = await until_session(
            running.stub,
            created,
            lambda s: s.state == pipeline_pb2.SESSION_STATE_COMPLETED,
        )
    assert ended.frame_sets == 5
    assert [camera.processed for camera in ended.cameras] == [5, 5]
    assert ended.owner == ""


async def test_the_same_request_id_answers_the_same_session(
    stub: Stub, environment_id: str
) -> None:
    """A repeated creation makes no second session."""
    first = await create_session(stub, environment_id, "once")
    again = await create_session(stub, environment_id, "once")
    other = await create_session(stub, environment_id, "twice")
    assert first.session_id == again.session_id != other.session_id
    assert first.timeline_id != other.timeline_id


async def test_pause_and_resume_are_acknowledged(
    stub: Stub, environment_id: str
) -> None:
    """The applied revision reaches the desired one, and the state follows."""
    session = await create_session(stub, environment_id)
    await until_session(stub, session, is_running)
    request = pipeline_pb2.PauseSessionRequest(**names(session))
    accepted = (await stub.PauseSession(request)).session
    assert accepted.desired_revision == 1
    paused = await until_session(stub, session, lambda s: s.applied_revision == 1)
    assert paused.state == pipeline_pb2.SESSION_STATE_PAUSED
    await stub.ResumeSession(pipeline_pb2.ResumeSessionRequest(**names(session)))
    resumed = await until_session(stub, session, lambda s: s.applied_revision == 2)
    assert is_running(resumed)


async def test_a_stopped_session_stays_stopped(stub: Stub, environment_id: str) -> None:
    """Stopping ends it, stopping again is fine, and resuming is refused."""
    session = await create_session(stub, environment_id)
    stop = pipeline_pb2.StopSessionRequest(**names(session))
    await stub.StopSession(stop)
    await until_session(
        stub, session, lambda s: s.state == pipeline_pb2.SESSION_STATE_STOPPED
    )
    await stub.StopSession(stop)
    with pytest.raises(aio.AioRpcError) as refused:
        await stub.ResumeSession(pipeline_pb2.ResumeSessionRequest(**names(session)))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "stopped" in refused.value.details()


async def test_seek_and_pace_become_part_of_what_is_desired(
    stub: Stub, environment_id: str
) -> None:
    """Both are accepted with a revision each, and the pace is shown."""
    session = await create_session(stub, environment_id)
    seek = pipeline_pb2.SeekSessionRequest(**names(session))
    seek.position.FromNanoseconds(12_000_000_000)
    assert (await stub.SeekSession(seek)).session.desired_revision == 1
    pace = pipeline_pb2.SetSessionPaceRequest(
        **names(session), pace=pipeline_pb2.Pace(speed=2.0)
    )
    accepted = (await stub.SetSessionPace(pace)).session
    assert (accepted.desired_revision, accepted.pace.speed) == (2, 2.0)
    await until_session(stub, session, lambda s: s.applied_revision == 2)


async def test_lists_are_newest_first_and_paged(
    stub: Stub, environment_id: str
) -> None:
    """The token leads from page to page without repeating or missing any."""
    created = [await create_session(stub, environment_id) for _ in range(5)]
    listed, token = [], ""
    while True:
        page = await stub.ListSessions(
            pipeline_pb2.ListSessionsRequest(
                environment_id=environment_id, page_size=2, page_token=token
            )
        )
        listed += [session.session_id for session in page.sessions]
        token = page.next_page_token
        if not token:
            break
    assert listed == [session.session_id for session in reversed(created)]


CREATE, LIST = pipeline_pb2.CreateSessionRequest, pipeline_pb2.ListSessionsRequest
REFUSED = {
    "unknown environment": (CREATE(environment_id="nowhere"), "NOT_FOUND"),
    "bad name": (CREATE(environment_id="Plaza!"), "INVALID_ARGUMENT"),
    "unknown camera": (
        CREATE(environment_id="plaza", camera_ids=["west"]),
        "NOT_FOUND",
    ),
    "camera named twice": (
        CREATE(environment_id="plaza", camera_ids=["north", "north"]),
        "INVALID_ARGUMENT",
    ),
    "no cameras": (CREATE(environment_id="empty"), "FAILED_PRECONDITION"),
    "pace of zero": (
        CREATE(environment_id="plaza", pace=pipeline_pb2.Pace(speed=0.0)),
        "INVALID_ARGUMENT",
    ),
    "pace that is no number": (
        CREATE(environment_id="plaza", pace=pipeline_pb2.Pace(speed=float("nan"))),
        "INVALID_ARGUMENT",
    ),
    "rate too high": (
        CREATE(environment_id="plaza", frame_set_rate_hz=61.0),
        "INVALID_ARGUMENT",
    ),
    "request id too long": (
        CREATE(environment_id="plaza", request_id="x" * 101),
        "INVALID_ARGUMENT",
    ),
    "list of nowhere": (LIST(environment_id="nowhere"), "NOT_FOUND"),
    "page too large": (
        LIST(environment_id="plaza", page_size=1001),
        "INVALID_ARGUMENT",
    ),
    "page token of nobody": (
        LIST(environment_id="plaza", page_token="?"),  # noqa: S106
        "INVALID_ARGUMENT",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_bad_requests_are_refused_by_the_error_table(
    stub: Stub, case: str
) -> None:
    """Each mistake has its code."""
    request, code = REFUSED[case]
    method = stub.CreateSession if isinstance(request, CREATE) else stub.ListSessions
    with pytest.raises(aio.AioRpcError) as refused:
        await method(request)
    assert refused.value.code() is grpc.StatusCode[code]


@pytest.mark.parametrize(
    "method",
    [
        "GetSession",
        "PauseSession",
        "ResumeSession",
        "StopSession",
        "SeekSession",
        "SetSessionPace",
    ],
)
async def test_an_unknown_session_is_not_found(
    stub: Stub, environment_id: str, method: str
) -> None:
    """Also when it exists in another environment."""
    session = await create_session(stub, "plaza-elsewhere")
    request = getattr(pipeline_pb2, f"{method}Request")(
        environment_id=environment_id, session_id=session.session_id
    )
    if method == "SeekSession":
        request.position.GetCurrentTime()
    if method == "SetSessionPace":
        request.pace.speed = 1.0
    with pytest.raises(aio.AioRpcError) as refused:
        await getattr(stub, method)(request)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_seek_needs_a_position_and_a_pace_its_value(
    stub: Stub, environment_id: str
) -> None:
    """A command without its argument is refused and changes nothing."""
    session = await create_session(stub, environment_id)
    with pytest.raises(aio.AioRpcError) as no_position:
        await stub.SeekSession(pipeline_pb2.SeekSessionRequest(**names(session)))
    with pytest.raises(aio.AioRpcError) as no_pace:
        await stub.SetSessionPace(pipeline_pb2.SetSessionPaceRequest(**names(session)))
    for refused in (no_position, no_pace):
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (await get_session(stub, session)).desired_revision == 0
