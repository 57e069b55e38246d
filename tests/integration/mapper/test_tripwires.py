"""Tripwires over a real server and PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from services.common.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from services.common.grpc_client import open_channel
from spoton.mapper.v1 import (
    mapper_pb2,
    mapper_pb2_grpc,
    tripwire_pb2,
    tripwire_pb2_grpc,
)
from tests.integration.refusals import failure

Stub = tripwire_pb2_grpc.TripwireServiceStub


@pytest.fixture
async def tripwires(address: str) -> AsyncIterator[Stub]:
    """Give a client of tripwires."""
    async with open_channel(address) as channel:
        yield tripwire_pb2_grpc.TripwireServiceStub(channel)


def a_tripwire(environment_id: str, name: str = "door") -> tripwire_pb2.Tripwire:
    """Return a line of 2 m."""
    tripwire = tripwire_pb2.Tripwire(environment_id=environment_id, tripwire_id=name)
    tripwire.start.x_m, tripwire.start.y_m = 1.0, 0.0
    tripwire.end.x_m, tripwire.end.y_m = 1.0, 2.0
    return tripwire


async def test_a_tripwire_lives(tripwires: Stub, environment_id: str) -> None:
    """It is created on the first level, read, listed, replaced and deleted."""
    create = tripwire_pb2.CreateTripwireRequest(tripwire=a_tripwire(environment_id))
    created = (await tripwires.CreateTripwire(create)).tripwire
    assert (created.floor_id, created.end.y_m) == ("ground", 2.0)
    twice = await failure(tripwires.CreateTripwire(create))
    assert isinstance(twice, AlreadyExists)
    names = {"environment_id": environment_id, "tripwire_id": "door"}
    get = tripwire_pb2.GetTripwireRequest(**names)
    assert (await tripwires.GetTripwire(get)).tripwire == created
    created.display_name = "Door"
    update = tripwire_pb2.UpdateTripwireRequest(tripwire=created)
    assert (await tripwires.UpdateTripwire(update)).tripwire.display_name == "Door"
    stale = await failure(tripwires.UpdateTripwire(update))
    assert isinstance(stale, Conflict)
    listing = tripwire_pb2.ListTripwiresRequest(environment_id=environment_id)
    page = await tripwires.ListTripwires(listing)
    assert [one.tripwire_id for one in page.tripwires] == ["door"]
    await tripwires.DeleteTripwire(tripwire_pb2.DeleteTripwireRequest(**names))
    gone = await failure(tripwires.GetTripwire(get))
    assert isinstance(gone, NotFound)


async def test_a_line_without_length_is_refused(
    tripwires: Stub, environment_id: str
) -> None:
    """The field is named; so is a level that does not exist."""
    tripwire = a_tripwire(environment_id)
    tripwire.end.CopyFrom(tripwire.start)
    request = tripwire_pb2.CreateTripwireRequest(tripwire=tripwire)
    error = await failure(tripwires.CreateTripwire(request))
    assert isinstance(error, InvalidInput)
    assert error.field == "tripwire.end"
    request.tripwire.CopyFrom(a_tripwire(environment_id))
    request.tripwire.floor_id = "cellar"
    error = await failure(tripwires.CreateTripwire(request))
    assert error.field == "tripwire.floor_id"


async def test_a_document_carries_tripwires(
    address: str, tripwires: Stub, environment_id: str
) -> None:
    """What is exported is there after an import elsewhere."""
    create = tripwire_pb2.CreateTripwireRequest(tripwire=a_tripwire(environment_id))
    await tripwires.CreateTripwire(create)
    copy = f"{environment_id}-copy"
    async with open_channel(address) as channel:
        mapper = mapper_pb2_grpc.MapperServiceStub(channel)
        exported = await mapper.ExportEnvironment(
            mapper_pb2.ExportEnvironmentRequest(environment_id=environment_id)
        )
        await mapper.ImportEnvironment(
            mapper_pb2.ImportEnvironmentRequest(
                environment_id=copy, document=exported.document
            )
        )
    listing = tripwire_pb2.ListTripwiresRequest(environment_id=copy)
    (there,) = (await tripwires.ListTripwires(listing)).tripwires
    assert (there.tripwire_id, there.start.x_m) == ("door", 1.0)
