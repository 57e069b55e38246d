"""Whatever dies, a session over recordings comes out as if nothing had happened."""

import asyncio
import time

import pytest
import pytest_asyncio

from demo.client import get_session
from spoton.pipeline.v1 import pipeline_pb2
from tests.e2e.recorded import Run, Site, assert_nothing_lost, run_session

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(150)]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def undisturbed(site: Site) -> Run:
    """Give a session that nobody disturbed."""
    return await run_session(site)


async def test_an_undisturbed_session_is_whole(undisturbed: Run) -> None:
    """Every frame is processed, and somebody is seen by two cameras."""
    session = undisturbed.session
    assert session.state == pipeline_pb2.SESSION_STATE_COMPLETED
    for camera in session.cameras:
        assert camera.received == camera.processed == camera.container_frames
        assert camera.at_end
        assert camera.tracks
    assert any(len(cameras) >= 2 for cameras in undisturbed.persons.values())
    assert len(undisturbed.frame_sets) == session.frame_sets


async def test_a_second_run_gives_the_same(site: Site, undisturbed: Run) -> None:
    """Tracks, persons and counts depend on the recording alone."""
    assert_nothing_lost(await run_session(site), undisturbed)


@pytest.mark.parametrize(
    "program",
    [
        "detector",
        "tracker",
        "mapper",
        "reid",
        "pipeline",
        "valkey",
        "postgres",
        "seaweedfs",
    ],
)
async def test_a_program_that_is_killed_costs_nothing(
    site: Site, undisturbed: Run, program: str
) -> None:
    """The program is restarted, and the session publishes and counts the same."""
    killed: list[int] = []

    async def disturb(session: pipeline_pb2.Session) -> None:
        killed.append(site.kill(program))

    run = await run_session(site, disturb)
    assert_nothing_lost(run, undisturbed)
    assert site.stack.supervisor.states()[program].pid not in (0, killed[0])


@pytest.mark.parametrize("program", ["valkey", "postgres", "seaweedfs", "detector"])
async def test_ten_seconds_of_silence_cost_nothing(
    site: Site, undisturbed: Run, program: str
) -> None:
    """A program that hangs for ten seconds only delays the session."""

    async def disturb(session: pipeline_pb2.Session) -> None:
        await site.freeze(program, 10)

    assert_nothing_lost(await run_session(site, disturb), undisturbed)


async def test_an_owner_that_sleeps_through_its_lease_writes_nothing(
    site: Site, undisturbed: Run
) -> None:
    """The pipeline stands still for longer than its lease, and all still adds up."""

    async def disturb(session: pipeline_pb2.Session) -> None:
        await site.freeze("pipeline", 8)

    assert_nothing_lost(await run_session(site, disturb), undisturbed)


async def test_pause_and_resume_change_nothing_but_time(
    site: Site, undisturbed: Run
) -> None:
    """A paused session stands still with all frames accounted for, and goes on."""

    async def disturb(session: pipeline_pb2.Session) -> None:
        names = {
            "environment_id": session.environment_id,
            "session_id": session.session_id,
        }
        pipeline = site.mesh.pipeline
        await pipeline.PauseSession(pipeline_pb2.PauseSessionRequest(**names))
        deadline_s = time.monotonic() + 20
        paused = session
        while paused.state != pipeline_pb2.SESSION_STATE_PAUSED:
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.1)
            paused = await get_session(site.mesh, session)
        for camera in paused.cameras:
            dropped = sum(drop.count for drop in camera.dropped)
            total = camera.processed + dropped + camera.in_flight
            assert camera.received == total
        await pipeline.ResumeSession(pipeline_pb2.ResumeSessionRequest(**names))

    assert_nothing_lost(await run_session(site, disturb), undisturbed)
