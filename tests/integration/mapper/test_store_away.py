"""A mapper whose PostgreSQL goes away, or was never there."""

import asyncio

from grpc import aio

from services.common.drain import DrainSignal
from services.common.errors import Unavailable
from services.common.grpc_client import open_channel
from services.common.grpc_errors import error_from_rpc
from services.common.grpc_server import running_server
from services.mapper.bootstrap import open_mapper
from spoton.common.v1 import geometry_pb2
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc
from stack.stores.postgres import Postgres
from stack.stores.process import StoreProcess
from tests.integration.refusals import failure


async def add_camera(stub: mapper_pb2_grpc.MapperServiceStub) -> None:
    """Add a calibrated camera in an environment of its own."""
    await stub.CreateEnvironment(
        mapper_pb2.CreateEnvironmentRequest(
            environment=environment_pb2.Environment(environment_id="plaza")
        )
    )
    camera = environment_pb2.Camera(environment_id="plaza", camera_id="north")
    camera.source.file.path = "vtest.avi"
    await stub.CreateCamera(mapper_pb2.CreateCameraRequest(camera=camera))
    await stub.CreateCalibration(
        mapper_pb2.CreateCalibrationRequest(
            calibration=environment_pb2.Calibration(
                environment_id="plaza",
                camera_id="north",
                image_to_floor=[0.01, 0, 0, 0, 0.01, 0, 0, 0, 1],
                image_size=geometry_pb2.ImageSize(width=640, height=480),
            )
        )
    )


async def answered(
    stub: mapper_pb2_grpc.MapperServiceStub, environment_id: str
) -> environment_pb2.Environment:
    """Return an environment as soon as the store answers again."""
    request = mapper_pb2.GetEnvironmentRequest(environment_id=environment_id)
    async with asyncio.timeout(60):
        while True:
            try:
                return (await stub.GetEnvironment(request)).environment
            except aio.AioRpcError as error:
                if not isinstance(error_from_rpc(error), Unavailable):
                    raise


async def test_projection_goes_on_without_the_store(
    postgres_server: StoreProcess[Postgres],
) -> None:
    """While PostgreSQL is away points are located and the rest is UNAVAILABLE."""
    async with (
        open_mapper(postgres_server.store.dsn(), DrainSignal()) as mapper,
        running_server(mapper.register) as address,
        open_channel(address) as channel,
    ):
        await mapper.ready
        stub = mapper_pb2_grpc.MapperServiceStub(channel)
        await add_camera(stub)
        points = mapper_pb2.ProjectPointsRequest(
            environment_id="plaza", camera_id="north"
        )
        foot = points.foot_points.add(sigma_px=2, visibility=1)
        foot.point.x, foot.point.y = 100, 200
        before = await stub.ProjectPoints(points)

        await asyncio.to_thread(postgres_server.kill)
        assert await stub.ProjectPoints(points) == before
        camera = mapper_pb2.GetCameraRequest(environment_id="plaza", camera_id="north")
        assert isinstance(await failure(stub.GetCamera(camera)), Unavailable)
        assert await stub.ProjectPoints(points) == before

        await asyncio.to_thread(postgres_server.start)
        assert (await answered(stub, "plaza")).environment_id == "plaza"


async def test_a_mapper_waits_for_its_store(
    postgres_server: StoreProcess[Postgres],
) -> None:
    """Started without PostgreSQL it is UNAVAILABLE, and ready once that is up."""
    await asyncio.to_thread(postgres_server.stop)
    async with (
        open_mapper(postgres_server.store.dsn(), DrainSignal()) as mapper,
        running_server(mapper.register) as address,
        open_channel(address) as channel,
    ):
        stub = mapper_pb2_grpc.MapperServiceStub(channel)
        request = mapper_pb2.ListEnvironmentsRequest()
        assert isinstance(await failure(stub.ListEnvironments(request)), Unavailable)
        assert not mapper.ready.done()
        await asyncio.to_thread(postgres_server.start)
        async with asyncio.timeout(30):
            await mapper.ready
        await add_camera(stub)
        assert (await answered(stub, "plaza")).environment_id == "plaza"
