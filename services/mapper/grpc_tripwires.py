"""The RPCs of tripwires: convert, call, convert."""

from typing import Any

from grpc import aio

from services.mapper.convert.names import (
    environment_id_from_proto,
    etag_from_proto,
    ids_from_proto,
    page_from_proto,
)
from services.mapper.convert.tripwire import tripwire_from_proto, tripwire_to_proto
from services.mapper.service.tripwires import Tripwires
from spoton.mapper.v1 import tripwire_pb2 as pb
from spoton.mapper.v1 import tripwire_pb2_grpc

Context = aio.ServicerContext[Any, Any]

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["TripwireService"].full_name


class TripwireServicer(tripwire_pb2_grpc.TripwireServiceServicer):
    """Creates, reads, changes and deletes tripwires."""

    def __init__(self, tripwires: Tripwires) -> None:
        self._do = tripwires

    async def CreateTripwire(  # noqa: N802 - gRPC names it.
        self,
        request: pb.CreateTripwireRequest,
        context: Context,  # noqa: ARG002 - as gRPC calls it.
    ) -> pb.CreateTripwireResponse:
        """Add a tripwire."""
        own = environment_id_from_proto(request.tripwire, path="tripwire")
        created = await self._do.create(own, tripwire_from_proto(request.tripwire))
        return pb.CreateTripwireResponse(tripwire=tripwire_to_proto(own, created))

    async def GetTripwire(  # noqa: N802 - gRPC names it.
        self,
        request: pb.GetTripwireRequest,
        context: Context,  # noqa: ARG002 - as gRPC calls it.
    ) -> pb.GetTripwireResponse:
        """Return a tripwire."""
        ids = ids_from_proto(request, "tripwire_id")
        found = await self._do.get(*ids)
        return pb.GetTripwireResponse(tripwire=tripwire_to_proto(ids[0], found))

    async def ListTripwires(  # noqa: N802 - gRPC names it.
        self,
        request: pb.ListTripwiresRequest,
        context: Context,  # noqa: ARG002 - as gRPC calls it.
    ) -> pb.ListTripwiresResponse:
        """Return a page of tripwires."""
        own = environment_id_from_proto(request)
        page = await self._do.list(own, page_from_proto(request))
        return pb.ListTripwiresResponse(
            tripwires=[tripwire_to_proto(own, one) for one in page.entries],
            next_page_token=page.next_page_token,
        )

    async def UpdateTripwire(  # noqa: N802 - gRPC names it.
        self,
        request: pb.UpdateTripwireRequest,
        context: Context,  # noqa: ARG002 - as gRPC calls it.
    ) -> pb.UpdateTripwireResponse:
        """Replace a tripwire."""
        own = environment_id_from_proto(request.tripwire, path="tripwire")
        etag = etag_from_proto(request.tripwire.etag, "tripwire.etag")
        tripwire = tripwire_from_proto(request.tripwire)
        updated = await self._do.update(own, tripwire, etag)
        return pb.UpdateTripwireResponse(tripwire=tripwire_to_proto(own, updated))

    async def DeleteTripwire(  # noqa: N802 - gRPC names it.
        self,
        request: pb.DeleteTripwireRequest,
        context: Context,  # noqa: ARG002 - as gRPC calls it.
    ) -> pb.DeleteTripwireResponse:
        """Delete a tripwire."""
        ids = ids_from_proto(request, "tripwire_id")
        await self._do.delete(*ids, etag_from_proto(request.etag, "etag"))
        return pb.DeleteTripwireResponse()
