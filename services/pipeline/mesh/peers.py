"""The services that the pipeline calls."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grpc import aio

from services.common.errors import Unavailable
from services.common.grpc_client import open_channel
from services.common.grpc_errors import error_from_rpc
from spoton.detector.v1 import detector_pb2, detector_pb2_grpc
from spoton.mapper.v1 import mapper_pb2_grpc
from spoton.reid.v1 import reid_pb2, reid_pb2_grpc
from spoton.tracker.v1 import tracker_pb2_grpc

if TYPE_CHECKING:
    # These names exist in the stubs only.
    from spoton.detector.v1.detector_pb2_grpc import DetectorServiceAsyncStub
    from spoton.mapper.v1.mapper_pb2_grpc import MapperServiceAsyncStub
    from spoton.reid.v1.reid_pb2_grpc import ReidServiceAsyncStub
    from spoton.tracker.v1.tracker_pb2_grpc import TrackerServiceAsyncStub

_MODEL_DEADLINE_S = 5.0


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


@dataclass(frozen=True, slots=True)
class Models:
    """What the models that are running want to see."""

    detector: detector_pb2.DetectorModel
    embedder: reid_pb2.EmbedderModel


@contextlib.asynccontextmanager
async def open_peers(addresses: PeerAddresses) -> AsyncIterator[Peers]:
    """Open channels to the services; nothing is connected before the first call."""
    async with contextlib.AsyncExitStack() as stack:

        async def channel(address: str) -> aio.Channel:
            return await stack.enter_async_context(open_channel(address))

        yield Peers(
            detector_pb2_grpc.DetectorServiceStub(await channel(addresses.detector)),
            reid_pb2_grpc.ReidServiceStub(await channel(addresses.reid)),
            tracker_pb2_grpc.TrackerServiceStub(await channel(addresses.tracker)),
            mapper_pb2_grpc.MapperServiceStub(await channel(addresses.mapper)),
        )


async def get_models(peers: Peers) -> Models:
    """Ask which models are running.

    Raises:
        Unavailable: A service is away, or does not answer in time.
    """
    try:
        detector, embedder = await asyncio.gather(
            peers.detector.GetModel(
                detector_pb2.GetModelRequest(), timeout=_MODEL_DEADLINE_S
            ),
            peers.reid.GetModel(reid_pb2.GetModelRequest(), timeout=_MODEL_DEADLINE_S),
        )
    except aio.AioRpcError as error:
        raise Unavailable(f"models unknown: {error_from_rpc(error)}") from error
    return Models(detector.model, embedder.model)
