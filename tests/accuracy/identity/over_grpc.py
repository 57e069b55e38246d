"""Tracker, mapper and reid as processes of their own, with real stores, over gRPC."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from services.common.grpc_client import open_channel
from services.pipeline.mesh.peers import Peers
from spoton.mapper.v1 import mapper_pb2, mapper_pb2_grpc
from spoton.reid.v1 import reid_pb2_grpc
from spoton.tracker.v1 import tracker_pb2_grpc
from stack.launcher import running
from stack.ports import BASE_VARIABLE, free_ports, ports_from_environment
from stack.services import SERVICES, Service
from tests.accuracy.identity.places import document_of, environment_id_of
from tests.accuracy.identity.recording import Recording, VectorModel
from tests.accuracy.identity.reid_service import VARIABLE, to_variable

_TIMEOUT_S = 20.0
_PROGRAMS = {
    "tracker": SERVICES["tracker"],
    "mapper": SERVICES["mapper"],
    "reid": Service(
        "tests.accuracy.identity.reid_service", postgres=True, redis=True, s3=True
    ),
}


@asynccontextmanager
async def running_peers(
    home: Path, vector_models: Sequence[VectorModel]
) -> AsyncIterator[Peers]:
    """Run the services while a block runs, and yield what calls them.

    Args:
        home: Folder for stores and logs, absolute.
        vector_models: Models of the vectors that recordings have.
    """
    before = dict(os.environ)
    os.environ[VARIABLE] = to_variable(vector_models)
    try:
        (base,) = free_ports(1)
        ports = ports_from_environment({BASE_VARIABLE: str(base)})
        async with AsyncExitStack() as opened:
            enter = opened.enter_async_context
            stack = await enter(running(home, ports, _PROGRAMS))
            token = stack.keys.operator_token("evaluation")
            channels = {
                name: await enter(open_channel(address, token))
                for name, address in stack.addresses.items()
            }
            yield Peers(
                detector=None,  # type: ignore[arg-type]  # Detections are recorded.
                reid=reid_pb2_grpc.ReidServiceStub(channels["reid"]),
                tracker=tracker_pb2_grpc.TrackerServiceStub(channels["tracker"]),
                mapper=mapper_pb2_grpc.MapperServiceStub(channels["mapper"]),
            )
    finally:
        os.environ.clear()
        os.environ.update(before)


async def import_place(peers: Peers, recording: Recording) -> None:
    """Tell the mapper about a recording's cameras."""
    request = mapper_pb2.ImportEnvironmentRequest(
        environment_id=environment_id_of(recording), document=document_of(recording)
    )
    await peers.mapper.ImportEnvironment(request, timeout=_TIMEOUT_S)
