"""How many cameras an environment may have."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc import aio

from services.common.drain import DrainSignal
from services.common.grpc_client import open_channel
from services.common.grpc_server import running_server
from services.mapper.bootstrap import open_mapper
from services.mapper.service.quotas import Quotas
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc

Stub = mapper_pb2_grpc.MapperServiceStub


@pytest.fixture
async def stub(postgres_dsn: str) -> AsyncIterator[Stub]:
    """Give a client of a mapper that allows two cameras."""
    async with (
        open_mapper(postgres_dsn, DrainSignal(), quotas=Quotas(cameras=2)) as mapper,
        running_server(mapper.register) as address,
        open_channel(address) as channel,
    ):
        await mapper.ready
        yield mapper_pb2_grpc.MapperServiceStub(channel)


@pytest.fixture
async def environment_id(stub: Stub) -> str:
    """Give a new environment."""
    name = f"plaza-{secrets.token_hex(4)}"
    environment = environment_pb2.Environment(environment_id=name)
    await stub.CreateEnvironment(
        mapper_pb2.CreateEnvironmentRequest(environment=environment)
    )
    return name


async def create_camera(stub: Stub, environment_id: str, camera_id: str) -> None:
    """Create a camera."""
    camera = environment_pb2.Camera(environment_id=environment_id, camera_id=camera_id)
    camera.source.file.path = "vtest.avi"
    await stub.CreateCamera(mapper_pb2.CreateCameraRequest(camera=camera))


async def camera_ids(stub: Stub, environment_id: str) -> list[str]:
    """Return the cameras of an environment."""
    request = mapper_pb2.ListCamerasRequest(environment_id=environment_id)
    return [one.camera_id for one in (await stub.ListCameras(request)).cameras]


async def test_cameras_are_limited(stub: Stub, environment_id: str) -> None:
    """Of many at once two are created, and a deleted one makes room."""
    answers = await asyncio.gather(
        *(create_camera(stub, environment_id, f"camera-{n}") for n in range(5)),
        return_exceptions=True,
    )
    refused = [one for one in answers if isinstance(one, aio.AioRpcError)]
    assert {one.code() for one in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert "2 cameras" in (refused[0].details() or "")
    created = await camera_ids(stub, environment_id)
    assert len(created) == 2
    delete = mapper_pb2.DeleteCameraRequest(
        environment_id=environment_id, camera_id=created[0]
    )
    await stub.DeleteCamera(delete)
    await create_camera(stub, environment_id, "late")
    assert len(await camera_ids(stub, environment_id)) == 2


async def test_an_import_is_limited_too(stub: Stub, environment_id: str) -> None:
    """A document with too many cameras changes nothing."""
    await create_camera(stub, environment_id, "only")
    export = mapper_pb2.ExportEnvironmentRequest(environment_id=environment_id)
    document = json.loads((await stub.ExportEnvironment(export)).document)
    (camera,) = document["cameras"]
    document["cameras"] = [{**camera, "camera_id": name} for name in ("a", "b", "c")]
    request = mapper_pb2.ImportEnvironmentRequest(
        environment_id=environment_id, document=json.dumps(document)
    )
    with pytest.raises(aio.AioRpcError) as refused:
        await stub.ImportEnvironment(request)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await camera_ids(stub, environment_id) == ["only"]
