"""The use cases of sessions, with stores that are small enough to see through."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from services.common.errors import InvalidInput, NotFound, NotReady
from services.common.ids import CameraId, EnvironmentId
from services.pipeline.domain.session import (
    Mode,
    Pace,
    Perception,
    Session,
    SessionState,
)
from services.pipeline.service import CatalogCamera, NewSession, SessionService
from tests.fakes.pipeline_sessions import (
    NORTH,
    PLAZA,
    SOUTH,
    FakeCatalog,
    FakeSessionStore,
    numbered_names,
    recorded_cameras,
)

Command = Callable[[SessionService, Session], Awaitable[Session]]
COMMANDS: dict[str, Command] = {
    "pause": lambda s, one: s.pause(PLAZA, one.session_id),
    "resume": lambda s, one: s.resume(PLAZA, one.session_id),
    "seek": lambda s, one: s.seek(PLAZA, one.session_id, 5),
    "set_pace": lambda s, one: s.set_pace(PLAZA, one.session_id, Pace(2.0)),
    "stop": lambda s, one: s.stop(PLAZA, one.session_id),
}


@pytest.fixture
def store() -> FakeSessionStore:
    """Give an empty store."""
    return FakeSessionStore()


@pytest.fixture
def service(store: FakeSessionStore) -> SessionService:
    """Give the use cases over two recordings."""
    return SessionService(store, recorded_cameras(), numbered_names())


async def test_cameras_left_out_mean_all_in_order(service: SessionService) -> None:
    """A session without cameras in its request has those of the environment."""
    session = await service.create(NewSession(PLAZA))
    assert session.request.camera_ids == (NORTH, SOUTH)
    assert session.request.recordings


async def test_each_session_has_a_timeline_of_its_own(service: SessionService) -> None:
    """Runs of recordings never share identities."""
    first = await service.create(NewSession(PLAZA))
    second = await service.create(NewSession(PLAZA))
    assert first.timeline_id != second.timeline_id


async def test_a_session_fixes_what_its_environment_chose(
    store: FakeSessionStore,
) -> None:
    """A later change of the environment does not reach a session that exists."""
    chosen = Perception("yolox-s", "osnet", "boxmot:bytetrack")
    service = SessionService(store, recorded_cameras(chosen), numbered_names())
    session = await service.create(NewSession(PLAZA))
    assert session.request.perception == chosen


async def test_a_session_may_choose_for_itself(store: FakeSessionStore) -> None:
    """What it leaves empty is as the environment has it."""
    usual = recorded_cameras(Perception("yolox-s", "osnet"))
    service = SessionService(store, usual, numbered_names())
    own = Perception(embedder_model_id="clip", tracker="native")
    session = await service.create(NewSession(PLAZA, perception=own))
    assert session.request.perception == Perception("yolox-s", "clip", "native")


async def test_cameras_are_taken_in_the_order_of_their_names(
    service: SessionService,
) -> None:
    """The order of the request does not matter."""
    session = await service.create(NewSession(PLAZA, (SOUTH, NORTH)))
    assert session.request.camera_ids == (NORTH, SOUTH)


@pytest.mark.parametrize(
    ("new", "error", "field"),
    [
        (NewSession(EnvironmentId("nowhere")), NotFound, ""),
        (NewSession(PLAZA, (CameraId("west"),)), NotFound, "camera_ids[0]"),
        (NewSession(PLAZA, (NORTH, NORTH)), InvalidInput, "camera_ids[1]"),
        (NewSession(PLAZA, pace=Pace(0.0)), InvalidInput, "pace.speed"),
        (NewSession(PLAZA, pace=Pace(16.1)), InvalidInput, "pace.speed"),
        (NewSession(PLAZA, pace=Pace(float("nan"))), InvalidInput, "pace.speed"),
        (NewSession(PLAZA, frame_set_rate_hz=0.0), InvalidInput, "frame_set_rate_hz"),
        (NewSession(PLAZA, late_tolerance_s=-1.0), InvalidInput, "late_tolerance"),
        (NewSession(PLAZA, request_id="x" * 101), InvalidInput, "request_id"),
    ],
)
async def test_a_bad_request_names_its_field(
    service: SessionService, new: NewSession, error: type[Exception], field: str
) -> None:
    """The caller learns what to correct."""
    with pytest.raises(error) as refused:
        await service.create(new)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "cameras", [(), (CatalogCamera(NORTH, has_source=False, is_recording=False),)]
)
async def test_an_environment_without_sources_is_not_ready(
    store: FakeSessionStore, cameras: tuple[CatalogCamera, ...]
) -> None:
    """There is nothing to track without cameras that have a source."""
    service = SessionService(store, FakeCatalog(*cameras), numbered_names())
    with pytest.raises(NotReady):
        await service.create(NewSession(PLAZA))


async def test_every_command_has_the_next_revision(service: SessionService) -> None:
    """Commands add up: a pause does not undo a pace."""
    session = await service.create(NewSession(PLAZA))
    await service.set_pace(PLAZA, session.session_id, Pace(2.0))
    await service.seek(PLAZA, session.session_id, 7)
    paused = await service.pause(PLAZA, session.session_id)
    desired = paused.desired
    assert (desired.revision, desired.mode, desired.pace.speed) == (3, Mode.PAUSED, 2.0)
    assert desired.seek is not None
    assert (desired.seek.revision, desired.seek.position_ns) == (2, 7)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("state", [SessionState.COMPLETED, SessionState.FAILED])
async def test_an_ended_session_takes_no_commands(
    service: SessionService,
    store: FakeSessionStore,
    command: str,
    state: SessionState,
) -> None:
    """The caller learns how it ended."""
    session = await service.create(NewSession(PLAZA))
    store.sessions[session.session_id] = replace(session, state=state)
    with pytest.raises(NotReady, match=state.value):
        await COMMANDS[command](service, session)


@pytest.mark.parametrize("command", ["pause", "resume", "seek", "set_pace"])
async def test_a_session_being_stopped_takes_no_other_commands(
    service: SessionService, command: str
) -> None:
    """Stopping is final, and may be repeated."""
    session = await service.create(NewSession(PLAZA))
    stopped = await service.stop(PLAZA, session.session_id)
    assert await service.stop(PLAZA, session.session_id) == stopped
    with pytest.raises(NotReady, match="stopped"):
        await COMMANDS[command](service, session)


async def test_only_recordings_can_be_moved(store: FakeSessionStore) -> None:
    """A live camera has no other position."""
    live = FakeCatalog(CatalogCamera(NORTH, has_source=True, is_recording=False))
    service = SessionService(store, live, numbered_names())
    session = await service.create(NewSession(PLAZA))
    with pytest.raises(NotReady):
        await service.seek(PLAZA, session.session_id, 5)


async def test_the_last_page_has_no_token(service: SessionService) -> None:
    """A page that is exactly full and the last says so."""
    for _ in range(4):
        await service.create(NewSession(PLAZA))
    first, token = await service.list(PLAZA, 2, "")
    last, end = await service.list(PLAZA, 2, token)
    assert [s.session_id for s in (*first, *last)] == [
        "session-7",
        "session-5",
        "session-3",
        "session-1",
    ]
    assert end == ""


@pytest.mark.parametrize("page_size", [-1, 1001])
async def test_a_page_has_a_size(service: SessionService, page_size: int) -> None:
    """Sizes out of range are refused."""
    with pytest.raises(InvalidInput, match="page_size"):
        await service.list(PLAZA, page_size, "")
