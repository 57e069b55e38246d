"""Pipelines on real stores, with a mapper that answers from memory."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc
import pytest
from grpc import aio

from services.common.drain import DrainSignal
from services.common.event_log import Retention
from services.common.grpc_client import open_channel
from services.common.grpc_server import ServerSettings, running_server
from services.common.postgres import migrate
from services.pipeline.bootstrap import SCHEMA, VERSIONS, wired
from services.pipeline.config import PipelineConfig
from services.pipeline.domain.running import OpenRunner
from services.pipeline.mesh.cameras import MediaFolder
from services.pipeline.mesh.peers import PeerAddresses
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc
from spoton.pipeline.v1 import pipeline_pb2_grpc

Stub = pipeline_pb2_grpc.PipelineServiceStub


class CatalogServicer(mapper_pb2_grpc.MapperServiceServicer):
    """Knows environments that begin with "plaza" or are called "empty"."""

    async def ListCameras(
        self, request: mapper_pb2.ListCamerasRequest, context: aio.ServicerContext
    ) -> mapper_pb2.ListCamerasResponse:
        """List two recordings, or nothing."""
        response = mapper_pb2.ListCamerasResponse()
        if request.environment_id.startswith("plaza"):
            for camera_id in ("north", "south"):
                camera = environment_pb2.Camera(camera_id=camera_id)
                camera.source.file.path = "vtest.avi"
                response.cameras.append(camera)
        elif request.environment_id != "empty":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such environment")
        return response


@dataclass(frozen=True, slots=True)
class RunningPipeline:
    """A pipeline in this process.

    Attributes:
        stub: Calls it.
        drain: Starts its end.
        owning: Done once it owns nothing any more.
    """

    stub: Stub
    drain: DrainSignal
    owning: "asyncio.Future[None]"


OpenPipeline = Callable[..., AbstractAsyncContextManager[RunningPipeline]]


@pytest.fixture
async def mapper_address() -> AsyncIterator[str]:
    """Give the address of the mapper."""

    def register(server: aio.Server) -> Sequence[str]:
        mapper_pb2_grpc.add_MapperServiceServicer_to_server(CatalogServicer(), server)
        return ("spoton.mapper.v1.MapperService",)

    async with running_server(register) as address:
        yield address


@pytest.fixture
def environment_id() -> str:
    """Give the name of an environment that no other test uses."""
    return f"plaza-{secrets.token_hex(4)}"


@pytest.fixture
def pipeline(pipeline_on: OpenPipeline, postgres_dsn: str) -> OpenPipeline:
    """Give what starts a pipeline with a runner."""
    return partial(pipeline_on, postgres_dsn)


@pytest.fixture
def pipeline_on(valkey_url: str, mapper_address: str) -> OpenPipeline:
    """Give what starts a pipeline on a PostgreSQL with a runner."""

    @contextlib.asynccontextmanager
    async def opened(
        postgres_dsn: str,
        open_runner: OpenRunner,
        *,
        owner: str = "test",
        lease_s: float = 5.0,
        retention: Retention | None = None,
    ) -> AsyncIterator[RunningPipeline]:
        peers = PeerAddresses("unused", "unused", "unused", mapper_address)
        config = PipelineConfig(
            server=ServerSettings("127.0.0.1:0", "127.0.0.1:0", drain_grace_s=5.0),
            postgres_dsn=postgres_dsn,
            redis_url=valkey_url,
            peers=peers,
            media=MediaFolder(Path("unused")),
            retention=retention or Retention(),
            owner=owner,
            max_sessions=100,
            lease_s=lease_s,
            renew_every_s=0.1,
            pixel_threads=1,
            keep_alive_s=0.5,
        )
        drain = DrainSignal()
        await migrate(postgres_dsn, SCHEMA, VERSIONS)
        async with (
            wired(config, open_runner, drain) as (register, supervisor),
            running_server(register) as address,
            open_channel(address) as channel,
        ):
            owning = asyncio.create_task(supervisor.run(drain))
            stub = pipeline_pb2_grpc.PipelineServiceStub(channel)
            try:
                yield RunningPipeline(stub, drain, owning)
            finally:
                owning.cancel()
                await asyncio.gather(owning, return_exceptions=True)

    return opened
