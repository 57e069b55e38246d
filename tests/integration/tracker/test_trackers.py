"""Which trackers there are, and what comes of choosing one."""

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence

import grpc
import pytest
from grpc import aio

from services.common.drain import DrainSignal
from services.common.environ import ConfigError
from services.common.grpc_errors import error_from_rpc
from services.tracker.adapters import boxmot_library
from services.tracker.adapters.boxmot_kinds import KINDS
from services.tracker.bootstrap import build
from spoton.tracker.v1 import tracker_pb2, tracker_pb2_grpc
from tests.integration.tracker.conversations import (
    Call,
    ask,
    box,
    config,
    frame,
    opened,
    opening,
    rest,
    tracker_stub,
    walk,
)

Stub = tracker_pb2_grpc.TrackerServiceStub
with_boxmot = pytest.mark.skipif(
    not boxmot_library.is_installed(), reason="the extra boxmot is not installed"
)


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    """Serve a tracker with the default configuration."""
    async with tracker_stub(config()) as client:
        yield client


@pytest.fixture
def without_boxmot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the package be missing."""
    monkeypatch.setattr(boxmot_library, "is_installed", lambda: False)


async def _listed(stub: Stub) -> Sequence[tracker_pb2.TrackerDescription]:
    """Return the trackers that the server lists."""
    answer = await stub.ListTrackers(tracker_pb2.ListTrackersRequest())
    assert answer.default_tracker == "native"
    return answer.trackers


async def _refused(stub: Stub, **fields: object) -> aio.AioRpcError:
    """Return the error that an opening is answered with."""
    call: Call = stub.Track()
    await call.write(opening(**fields))
    with pytest.raises(aio.AioRpcError) as caught:
        await rest(call)
    return caught.value


@with_boxmot
async def test_what_is_installed_is_listed(stub: Stub) -> None:
    """Names come with what they need and what licence they have."""
    listed = {each.name: each for each in await _listed(stub)}
    assert list(listed) == sorted(["native", *KINDS])
    assert listed["native"].licence == "Apache-2.0"
    assert listed["boxmot:bytetrack"].licence == "AGPL-3.0"
    assert not listed["boxmot:bytetrack"].uses_appearance
    assert listed["boxmot:botsort"].uses_appearance
    assert listed["boxmot:strongsort"].needs_appearance


@pytest.mark.usefixtures("without_boxmot")
async def test_what_is_missing_is_not_listed_and_says_how_to_get_it() -> None:
    """A stream that names it fails on a precondition, and learns what there is."""
    async with tracker_stub(config()) as stub:
        assert [each.name for each in await _listed(stub)] == ["native"]
        error = await _refused(stub, tracker="boxmot:botsort")
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    told = error_from_rpc(error)
    assert told.field == "open.tracker"
    assert "VARIANT=boxmot" in told.message
    assert "available: native" in told.message


def test_nothing_of_it_is_imported_before_it_is_named() -> None:
    """A service with the native tracker pays nothing for an extra that is there."""
    script = (
        "import sys; from services.common.drain import DrainSignal; "
        "from services.common.environ import Environ; "
        "from services.tracker.bootstrap import build; "
        "from services.tracker.config import config_from_environ; "
        "build(config_from_environ(Environ('SPOTON_TRACKER_', {})), DrainSignal()); "
        "sys.exit(bool({'boxmot', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0  # noqa: S603 - the interpreter that runs the test.


@pytest.mark.usefixtures("without_boxmot")
def test_a_missing_default_ends_the_start() -> None:
    """The operator learns which variable names it, and how to install it."""
    with pytest.raises(ConfigError, match=r"SPOTON_TRACKER_DEFAULT.*VARIANT=boxmot"):
        build(config(DEFAULT="boxmot:bytetrack"), DrainSignal())


@with_boxmot
async def test_a_tracker_that_needs_vectors_refuses_a_stream_without(
    stub: Stub,
) -> None:
    """It says so at the opening, naming the field."""
    error = await _refused(stub, tracker="boxmot:strongsort")
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert error_from_rpc(error).field == "open.tracker"


@with_boxmot
@pytest.mark.parametrize("name", KINDS)
async def test_a_stream_goes_on_from_a_checkpoint_of_any_tracker(
    stub: Stub, name: str
) -> None:
    """Each follows a person with the same protocol, questions and checkpoints."""
    kind = KINDS[name]
    chosen = {"tracker": name, "embeddings_available": kind.appearance}
    call = await opened(stub, **chosen, checkpoint_interval=5)
    checkpoint = (await walk(call, range(5))).result.checkpoint
    onward = await walk(call, range(5, 8))
    other = await opened(stub, **chosen, checkpoint=checkpoint)
    again = await walk(other, range(5, 8))
    assert again.result == onward.result
    (track,) = again.result.tracks
    assert track.track_id == 1
    assert track.state == tracker_pb2.TRACK_STATE_CONFIRMED


@with_boxmot
async def test_another_trackers_checkpoint_is_refused(stub: Stub) -> None:
    """A stream cannot change its tracker between two openings."""
    call = await opened(stub, checkpoint_interval=1)
    checkpoint = (await walk(call, range(3))).result.checkpoint
    error = await _refused(stub, checkpoint=checkpoint, tracker="boxmot:bytetrack")
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error_from_rpc(error).field == "open.checkpoint"


@with_boxmot
async def test_a_default_of_boxmot_needs_no_name() -> None:
    """Streams that name no tracker get the configured one, which asks nothing here."""
    async with tracker_stub(config(DEFAULT="boxmot:ocsort")) as stub:
        call = await opened(stub)
        for index in range(4):
            answer = await ask(call, frame(index, [box(500 + 10 * index)]))
        assert [track.track_id for track in answer.result.tracks] == [1]
