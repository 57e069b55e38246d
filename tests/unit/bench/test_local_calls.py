"""Calls that stay in the process behave as calls over a channel."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from grpc import aio

from services.common.answer_stream import answer_in_order
from services.common.drain import DrainSignal
from services.common.errors import InvalidInput
from services.common.item_stream import ItemStream, StatelessDialect
from services.mapper.project_stream import ProjectStream
from spoton.mapper.v1 import mapper_pb2, mapper_pb2_grpc
from tests.bench.local_calls import LocalServer

SERVICE = "spoton.mapper.v1.MapperService"


class Servicer(mapper_pb2_grpc.MapperServiceServicer):
    """Refuses every frame, and names one environment."""

    async def Project(self, request_iterator, context) -> AsyncIterator:
        stream = ProjectStream(projection=None)
        drain = DrainSignal()
        async for answer in answer_in_order(
            request_iterator, stream, window=4, drain=drain
        ):
            yield answer

    async def GetEnvironment(self, request, context):
        if not request.environment_id:
            raise InvalidInput("is required", field="environment_id")
        response = mapper_pb2.GetEnvironmentResponse()
        response.environment.environment_id = request.environment_id
        return response


def local_stub():
    """Return what calls the servicer."""
    server = LocalServer()
    mapper_pb2_grpc.add_MapperServiceServicer_to_server(Servicer(), server)
    return server.stub(SERVICE)


async def test_an_item_stream_runs_over_local_calls() -> None:
    """Requests are answered in order by the code that answers them in the mesh."""
    stream = ItemStream(local_stub().Project, StatelessDialect(), name="local")
    requests = [mapper_pb2.ProjectRequest(environment_id="!") for _ in range(9)]
    for index, request in enumerate(requests):
        request.frame.frame_index = index
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*map(stream.ask, requests))
    await stream.close()
    assert [answer.frame.frame_index for answer in answers] == list(range(9))
    assert all(answer.HasField("status") for answer in answers)


async def test_messages_pass_by_reference() -> None:
    """Nothing is copied or serialised on the way."""
    call = local_stub().Project()
    request = mapper_pb2.ProjectRequest(environment_id="!")
    await call.read()
    await call.write(request)
    answer = await call.read()
    await call.done_writing()
    assert answer.HasField("status")
    assert await call.read() is aio.EOF


async def test_a_cancelled_call_ends_the_servicer() -> None:
    """Nothing of a call runs on after its end."""
    before = asyncio.all_tasks()
    call = local_stub().Project()
    await call.read()
    call.cancel()
    async with asyncio.timeout(5):
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0)


async def test_unary_calls_return_and_raise() -> None:
    """An error of the service comes as it was raised."""
    stub = local_stub()
    request = mapper_pb2.GetEnvironmentRequest(environment_id="plaza")
    answer = await stub.GetEnvironment(request, timeout=5)
    assert answer.environment.environment_id == "plaza"
    with pytest.raises(InvalidInput):
        await stub.GetEnvironment(mapper_pb2.GetEnvironmentRequest())
