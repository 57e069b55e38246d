"""The services that the pipeline calls."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grpc import aio

from services.common.grpc_client import open_peer
from services.common.mesh.settings import MeshSettings
from spoton.detector.v1 import detector_pb2_grpc
from spoton.mapper.v1 import mapper_pb2_grpc
from spoton.reid.v1 import reid_pb2_grpc
from spoton.tracker.v1 import tracker_pb2_grpc

if TYPE_CHECKING:
    # These names exist in the stubs only.
    from spoton.detector.v1.detector_pb2_grpc import DetectorServiceAsyncStub
    from spoton.mapper.v1.mapper_pb2_grpc import MapperServiceAsyncStub
    from spoton.reid.v1.reid_pb2_grpc import ReidServiceAsyncStub
    from spoton.tracker.v1.tracker_pb2_grpc import TrackerServiceAsyncStub


@dataclass(frozen=True, slots=True)
class PeerAddresses:
    """Where the services are, as gRPC targets."""

    detector: str
    reid: str
    tracker: str
    mapper: str


@dataclass(frozen=True, slots=True)
class Peers:
    """Stubs of the services."""

    detector: "DetectorServiceAsyncStub"
    reid: "ReidServiceAsyncStub"
    tracker: "TrackerServiceAsyncStub"
    mapper: "MapperServiceAsyncStub"


@contextlib.asynccontextmanager
async def open_peers(
    addresses: PeerAddresses, identity: MeshSettings
) -> AsyncIterator[Peers]:
    """Open channels to the services; nothing is connected before the first call.

    Args:
        addresses: Where they are.
        identity: How this service proves itself to them.
    """
    async with contextlib.AsyncExitStack() as stack:

        async def channel(service: str, address: str) -> aio.Channel:
            opened = open_peer(identity, service, address)
            return await stack.enter_async_context(opened)

        yield Peers(
            detector_pb2_grpc.DetectorServiceStub(
                await channel("detector", addresses.detector)
            ),
            reid_pb2_grpc.ReidServiceStub(await channel("reid", addresses.reid)),
            tracker_pb2_grpc.TrackerServiceStub(
                await channel("tracker", addresses.tracker)
            ),
            mapper_pb2_grpc.MapperServiceStub(
                await channel("mapper", addresses.mapper)
            ),
        )
