"""A mapper that knows environments and zones by heart."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from grpc import aio

from services.common.grpc_server import running_server
from spoton.mapper.v1 import (
    environment_pb2,
    mapper_pb2,
    mapper_pb2_grpc,
    tripwire_pb2,
    tripwire_pb2_grpc,
)


class FakeMapper(mapper_pb2_grpc.MapperServiceServicer):
    """Lists what it is told."""

    def __init__(self, zones: Mapping[str, Sequence[environment_pb2.Zone]]) -> None:
        """Begin with zones by environment; they may be changed meanwhile."""
        self.zones = dict(zones)

    async def ListEnvironments(
        self, request: mapper_pb2.ListEnvironmentsRequest, context: aio.ServicerContext
    ) -> mapper_pb2.ListEnvironmentsResponse:
        """List environments."""
        return mapper_pb2.ListEnvironmentsResponse(
            environments=[
                environment_pb2.Environment(environment_id=name) for name in self.zones
            ]
        )

    async def ListZones(
        self, request: mapper_pb2.ListZonesRequest, context: aio.ServicerContext
    ) -> mapper_pb2.ListZonesResponse:
        """List zones."""
        return mapper_pb2.ListZonesResponse(zones=self.zones[request.environment_id])


class FakeTripwires(tripwire_pb2_grpc.TripwireServiceServicer):
    """Lists the same tripwires for every environment."""

    def __init__(self, tripwires: Sequence[tripwire_pb2.Tripwire]) -> None:
        self.tripwires = tripwires

    async def ListTripwires(
        self, request: tripwire_pb2.ListTripwiresRequest, context: aio.ServicerContext
    ) -> tripwire_pb2.ListTripwiresResponse:
        """List tripwires."""
        return tripwire_pb2.ListTripwiresResponse(tripwires=self.tripwires)


@asynccontextmanager
async def running_mapper(
    mapper: FakeMapper, tripwires: FakeTripwires | None = None
) -> AsyncIterator[str]:
    """Serve a fake mapper, and yield its address; without tripwires as of old."""

    def register(server: aio.Server) -> Sequence[str]:
        mapper_pb2_grpc.add_MapperServiceServicer_to_server(mapper, server)
        if tripwires is None:
            return ("spoton.mapper.v1.MapperService",)
        tripwire_pb2_grpc.add_TripwireServiceServicer_to_server(tripwires, server)
        return ("spoton.mapper.v1.MapperService", "spoton.mapper.v1.TripwireService")

    async with running_server(register) as address:
        yield address
