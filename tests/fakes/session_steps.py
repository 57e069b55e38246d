"""Steps that many tests of sessions take."""

import asyncio
from collections.abc import Callable

from spoton.pipeline.v1 import pipeline_pb2, pipeline_pb2_grpc

Stub = pipeline_pb2_grpc.PipelineServiceStub

_LOOK_EVERY_S = 0.02
_LIMIT_S = 15.0


async def create_session(
    stub: Stub, environment_id: str, request_id: str = ""
) -> pipeline_pb2.Session:
    """Create a session over all cameras."""
    request = pipeline_pb2.CreateSessionRequest(
        environment_id=environment_id, request_id=request_id
    )
    return (await stub.CreateSession(request)).session


async def get_session(
    stub: Stub, session: pipeline_pb2.Session
) -> pipeline_pb2.Session:
    """Read a session again."""
    request = pipeline_pb2.GetSessionRequest(
        environment_id=session.environment_id, session_id=session.session_id
    )
    return (await stub.GetSession(request)).session


async def until_session(
    stub: Stub,
    session: pipeline_pb2.Session,
    holds: Callable[[pipeline_pb2.Session], bool],
) -> pipeline_pb2.Session:
    """Return the session once `holds` is true of it."""
    async with asyncio.timeout(_LIMIT_S):
        while not holds(current := await get_session(stub, session)):
            await asyncio.sleep(_LOOK_EVERY_S)
    return current


async def until(holds: Callable[[], bool]) -> None:
    """Wait until `holds` is true."""
    async with asyncio.timeout(_LIMIT_S):
        while not holds():
            await asyncio.sleep(_LOOK_EVERY_S)
