"""The sessions of an environment in which a caller has no right, asked for by gRPC."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from grpc import aio

from services.common.mesh.identity import Metadata
from spoton.pipeline.v1 import pipeline_pb2
from tests.fakes.mesh import FakeMesh, user
from tests.fakes.session_runner import Runners
from tests.fakes.session_steps import Stub

SCOPES = {"sessions:read", "sessions:write", "tracking:read"}


@pytest.fixture
async def stub(pipeline, members: FakeMesh) -> AsyncIterator[Stub]:
    """Give a client of a running pipeline of the mesh."""
    async with pipeline(Runners(), policy=members.policy("pipeline")) as running:
        yield running.stub


def acting_for(
    members: FakeMesh, environment_id: str, subject: str = "owner"
) -> Metadata:
    """Return the metadata of the gateway for a user of one environment."""
    caller = user({environment_id: SCOPES}, subject=subject)
    return members.identity("gateway").metadata("pipeline", caller)


Call = Callable[[Stub, str, str, Metadata], Awaitable[object]]


async def watched(
    stub: Stub, environment_id: str, _: str, metadata: Metadata
) -> object:
    """Return the first event of an environment."""
    request = pipeline_pb2.WatchTrackingRequest(environment_id=environment_id)
    return await stub.WatchTracking(request, metadata=metadata).read()


def unary(method: str, request: type) -> Call:
    """Return a call that names a session."""

    async def call(
        stub: Stub, environment_id: str, session_id: str, metadata: Metadata
    ) -> object:
        named = request(environment_id=environment_id, session_id=session_id)
        return await getattr(stub, method)(named, metadata=metadata)

    return call


CALLS: dict[str, Call] = {
    "get": unary("GetSession", pipeline_pb2.GetSessionRequest),
    "pause": unary("PauseSession", pipeline_pb2.PauseSessionRequest),
    "resume": unary("ResumeSession", pipeline_pb2.ResumeSessionRequest),
    "seek": unary("SeekSession", pipeline_pb2.SeekSessionRequest),
    "pace": unary("SetSessionPace", pipeline_pb2.SetSessionPaceRequest),
    "stop": unary("StopSession", pipeline_pb2.StopSessionRequest),
    "watch": watched,
}


async def status_of(call: Awaitable[object]) -> str:
    """Return the status with which a call is refused."""
    with pytest.raises(aio.AioRpcError) as failure:
        await call
    return failure.value.code().name


async def test_another_environments_session(
    stub: Stub, members: FakeMesh, environment_id: str
) -> None:
    """Neither its own name nor one's own environment lets a stranger reach it."""
    mine = f"plaza-{secrets.token_hex(4)}"
    owner = acting_for(members, environment_id)
    stranger = acting_for(members, mine, "stranger")
    create = pipeline_pb2.CreateSessionRequest(environment_id=environment_id)
    session = (await stub.CreateSession(create, metadata=owner)).session
    for name, call in CALLS.items():
        foreign = call(stub, environment_id, session.session_id, stranger)
        assert await status_of(foreign) == "PERMISSION_DENIED", name
        if name == "watch":
            continue
        hidden = call(stub, mine, session.session_id, stranger)
        assert await status_of(hidden) in ("NOT_FOUND", "INVALID_ARGUMENT"), name
    listing = pipeline_pb2.ListSessionsRequest(environment_id=environment_id)
    assert await status_of(stub.ListSessions(listing, metadata=stranger)) == (
        "PERMISSION_DENIED"
    )
    assert await status_of(stub.CreateSession(create, metadata=stranger)) == (
        "PERMISSION_DENIED"
    )
    read = await CALLS["get"](stub, environment_id, session.session_id, owner)
    assert read.session.desired_revision == 0
    listed = await stub.ListSessions(listing, metadata=owner)
    assert [one.session_id for one in listed.sessions] == [session.session_id]


async def test_a_session_names_its_creator_and_outlives_their_rights(
    stub: Stub, members: FakeMesh, environment_id: str
) -> None:
    """It runs on the pipeline's identity; an admin finds what somebody left behind."""
    gone = acting_for(members, environment_id, "gone")
    other = acting_for(members, environment_id, "other")
    create = pipeline_pb2.CreateSessionRequest(environment_id=environment_id)
    theirs = (await stub.CreateSession(create, metadata=gone)).session
    assert (theirs.creator.subject, theirs.creator.name) == ("gone", "name of gone")
    await stub.CreateSession(create, metadata=other)
    listing = pipeline_pb2.ListSessionsRequest(
        environment_id=environment_id, creator_subject="gone"
    )
    listed = await stub.ListSessions(listing, metadata=other)
    assert [one.session_id for one in listed.sessions] == [theirs.session_id]
    listing.creator_subject = "nobody"
    assert not (await stub.ListSessions(listing, metadata=other)).sessions


async def test_a_page_of_a_creators_sessions_goes_on(
    stub: Stub, members: FakeMesh, environment_id: str
) -> None:
    """Pages hold sessions of that creator alone, none twice and none left out."""
    mine = acting_for(members, environment_id, "me")
    other = acting_for(members, environment_id, "other")
    create = pipeline_pb2.CreateSessionRequest(environment_id=environment_id)
    made = set()
    for metadata in (mine, other, mine, other, mine):
        session = (await stub.CreateSession(create, metadata=metadata)).session
        if metadata is mine:
            made.add(session.session_id)
    found, token = [], ""
    while True:
        request = pipeline_pb2.ListSessionsRequest(
            environment_id=environment_id,
            creator_subject="me",
            page_size=1,
            page_token=token,
        )
        page = await stub.ListSessions(request, metadata=mine)
        found += [one.session_id for one in page.sessions]
        token = page.next_page_token
        if not token:
            break
    assert len(found) == 3
    assert set(found) == made
