"""A mapper on the real PostgreSQL, and an environment of its own for each test."""

import secrets
from collections.abc import AsyncIterator

import pytest

from services.common.drain import DrainSignal
from services.common.grpc_client import open_channel
from services.common.grpc_server import running_server
from services.mapper.bootstrap import open_mapper
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc

Stub = mapper_pb2_grpc.MapperServiceStub


@pytest.fixture
async def address(postgres_dsn: str) -> AsyncIterator[str]:
    """Give the address of a running mapper."""
    async with (
        open_mapper(postgres_dsn, DrainSignal()) as mapper,
        running_server(mapper.register) as address,
    ):
        await mapper.ready
        yield address


@pytest.fixture
async def stub(address: str) -> AsyncIterator[Stub]:
    """Give a client of a running mapper."""
    async with open_channel(address) as channel:
        yield mapper_pb2_grpc.MapperServiceStub(channel)


@pytest.fixture
async def environment_id(stub: Stub) -> str:
    """Give a new environment with the levels "ground" and "upper"."""
    name = f"plaza-{secrets.token_hex(4)}"
    floors = [environment_pb2.Floor(floor_id=one) for one in ("ground", "upper")]
    environment = environment_pb2.Environment(environment_id=name, floors=floors)
    await stub.CreateEnvironment(
        mapper_pb2.CreateEnvironmentRequest(environment=environment)
    )
    return name


@pytest.fixture
async def camera_id(stub: Stub, environment_id: str) -> str:
    """Give a camera without a calibration."""
    camera = environment_pb2.Camera(environment_id=environment_id, camera_id="north")
    camera.source.file.path = "vtest.avi"
    await stub.CreateCamera(mapper_pb2.CreateCameraRequest(camera=camera))
    return "north"
