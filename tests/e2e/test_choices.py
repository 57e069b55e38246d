"""Sessions with other trackers than the default, on real video."""

import pytest

from spoton.mapper.v1 import environment_pb2
from spoton.pipeline.v1 import pipeline_pb2
from tests.e2e.recorded import Run, Site, assert_nothing_lost, run_session

pytest.importorskip("boxmot", reason="the trackers of BoxMOT are not installed")

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(150)]


@pytest.mark.parametrize("tracker", ["boxmot:bytetrack", "boxmot:botsort"])
async def test_a_chosen_tracker_goes_on_after_a_crash(site: Site, tracker: str) -> None:
    """Killed in the middle, the tracker publishes the same tracks and persons."""
    choice = environment_pb2.Perception(tracker=tracker)
    undisturbed = await run_session(site, perception=choice)
    assert undisturbed.session.perception == choice
    assert any(len(cameras) >= 2 for cameras in undisturbed.persons.values())

    async def disturb(session: pipeline_pb2.Session) -> None:
        site.kill("tracker")

    disturbed: Run = await run_session(site, disturb, choice)
    assert_nothing_lost(disturbed, undisturbed)
