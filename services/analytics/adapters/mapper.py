"""Environments, zones and tripwires, asked of the mapper."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import structlog
from grpc import StatusCode, aio

from services.analytics.adapters.borders import (
    BorderTable,
    TripwireDefinition,
    ZoneDefinition,
)
from services.analytics.domain.borders import Borders
from services.common.errors import NotFound, SpotOnError, Unavailable
from services.common.grpc_errors import error_from_rpc
from services.common.ids import EnvironmentId
from spoton.mapper.v1 import (
    mapper_pb2,
    mapper_pb2_grpc,
    tripwire_pb2,
    tripwire_pb2_grpc,
)

if TYPE_CHECKING:  # Names that exist in the type stubs only.
    from spoton.mapper.v1.mapper_pb2_grpc import MapperServiceAsyncStub
    from spoton.mapper.v1.tripwire_pb2_grpc import TripwireServiceAsyncStub

_DEADLINE_S = 5.0
_PAGE_SIZE = 1000

_log = structlog.get_logger(__name__)


class MapperEnvironments:
    """Asks which environments there are."""

    def __init__(self, channel: aio.Channel) -> None:
        self._mapper: MapperServiceAsyncStub = mapper_pb2_grpc.MapperServiceStub(
            channel
        )

    async def all(self) -> list[EnvironmentId]:
        """Return the environments, by name.

        Raises:
            Unavailable: The mapper cannot be asked.
        """
        request = mapper_pb2.ListEnvironmentsRequest(page_size=_PAGE_SIZE)
        return [
            EnvironmentId(one.environment_id)
            async for page in _pages(self._mapper.ListEnvironments, request)
            for one in page.environments
        ]


class MapperBorders:
    """Asks for zones and tripwires; while there is no answer, the last one holds."""

    def __init__(self, channel: aio.Channel, table: BorderTable) -> None:
        self._mapper: MapperServiceAsyncStub = mapper_pb2_grpc.MapperServiceStub(
            channel
        )
        self._tripwires: TripwireServiceAsyncStub = (
            tripwire_pb2_grpc.TripwireServiceStub(channel)
        )
        self._table = table

    async def read(self, environment_id: EnvironmentId) -> Borders:
        """Return what holds now.

        Raises:
            Unavailable: The mapper or the table is away, and there was no answer ever.
        """
        try:
            zones = await self._read_zones(environment_id)
            tripwires = await self._read_tripwires(environment_id)
        except Unavailable as error:
            known = await self._table.current(environment_id)
            if known is None:
                raise
            _log.warning("keeping to known zones", cause=error.message)
            return known
        except NotFound:
            # Deleted, while the last of its events are stored.
            return await self._table.current(environment_id) or Borders()
        return await self._table.replace(environment_id, zones, tripwires)

    async def _read_zones(self, environment_id: EnvironmentId) -> list[ZoneDefinition]:
        request = mapper_pb2.ListZonesRequest(
            environment_id=environment_id, page_size=_PAGE_SIZE
        )
        return [
            ZoneDefinition(
                zone_id=zone.zone_id,
                display_name=zone.display_name,
                floor_id=zone.floor_id,
                corners_m=tuple((corner.x_m, corner.y_m) for corner in zone.corners),
            )
            async for page in _pages(self._mapper.ListZones, request)
            for zone in page.zones
        ]

    async def _read_tripwires(
        self, environment_id: EnvironmentId
    ) -> list[TripwireDefinition]:
        request = tripwire_pb2.ListTripwiresRequest(
            environment_id=environment_id, page_size=_PAGE_SIZE
        )
        return [
            TripwireDefinition(
                tripwire_id=one.tripwire_id,
                display_name=one.display_name,
                floor_id=one.floor_id,
                start_m=(one.start.x_m, one.start.y_m),
                end_m=(one.end.x_m, one.end.y_m),
            )
            async for page in _pages(self._tripwires.ListTripwires, request)
            for one in page.tripwires
        ]


async def _pages(list_page: Any, request: Any) -> AsyncIterator[Any]:
    """Yield the pages of a list.

    Raises:
        NotFound: There is no such environment.
        Unavailable: The mapper cannot be asked.
    """
    while True:
        try:
            page = await list_page(request, timeout=_DEADLINE_S)
        except aio.AioRpcError as rpc_error:
            if rpc_error.code() is StatusCode.UNIMPLEMENTED:
                # A mapper of the version before has none of these.
                return
            raise _translated(rpc_error) from rpc_error
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def _translated(rpc_error: aio.AioRpcError) -> SpotOnError:
    error = error_from_rpc(rpc_error)
    if isinstance(error, NotFound):
        return error
    return Unavailable(f"the mapper cannot be asked: {error}")
