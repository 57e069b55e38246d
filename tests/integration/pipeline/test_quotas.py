"""How many sessions an environment may have at once."""

import asyncio

import grpc
from grpc import aio

from services.pipeline.adapters.session_store import MAX_UNFINISHED
from spoton.pipeline.v1 import pipeline_pb2
from tests.fakes.session_runner import Runners
from tests.fakes.session_steps import create_session, until_session


async def test_sessions_that_have_not_ended_are_limited(
    pipeline, environment_id: str
) -> None:
    """Of many creations at once, as many succeed as may; one that ends makes room."""
    async with pipeline(Runners()) as running:
        answers = await asyncio.gather(
            *(
                create_session(running.stub, environment_id, f"request-{number}")
                for number in range(MAX_UNFINISHED + 3)
            ),
            return_exceptions=True,
        )
        created = [one for one in answers if not isinstance(one, BaseException)]
        refused = [one for one in answers if isinstance(one, aio.AioRpcError)]
        assert len(created) == MAX_UNFINISHED
        assert {one.code() for one in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert "unfinished sessions" in (refused[0].details() or "")

        stop = pipeline_pb2.StopSessionRequest(
            environment_id=environment_id, session_id=created[0].session_id
        )
        await running.stub.StopSession(stop)
        await until_session(
            running.stub,
            created[0],
            lambda one: one.state == pipeline_pb2.SESSION_STATE_STOPPED,
        )
        assert (await create_session(running.stub, environment_id)).session_id


async def test_a_repeated_creation_needs_no_room(pipeline, environment_id: str) -> None:
    """The session that a request id made before is answered when all are taken."""
    async with pipeline(Runners()) as running:
        first, *_ = [
            await create_session(running.stub, environment_id, f"request-{number}")
            for number in range(MAX_UNFINISHED)
        ]
        again = await create_session(running.stub, environment_id, "request-0")
    assert again.session_id == first.session_id
