"""A mapper that knows environments and zones by heart."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from grpc import aio

from services.common.grpc_server import running_server
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc


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


@asynccontextmanager
async def running_mapper(mapper: FakeMapper) -> AsyncIterator[str]:
    """Serve a fake mapper, and yield its address."""

    def register(server: aio.Server) -> Sequence[str]:
        mapper_pb2_grpc.add_MapperServiceServicer_to_server(mapper, server)
        return ("spoton.mapper.v1.MapperService",)

    async with running_server(register) as address:
        yield address
