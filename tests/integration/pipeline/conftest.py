"""Pipelines on real stores, with a mapper that answers from memory."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from services.common.grpc_server import running_server
from services.common.mesh.policy import Policy
from services.pipeline.domain.running import OpenRunner
from services.pipeline.mesh.peers import PeerAddresses
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc
from stack.stores.seaweedfs import S3Access
from tests.integration.pipeline.mesh import Mesh, running_mesh
from tests.integration.pipeline.running import (
    RunningPipeline,
    pipeline_config,
    running_pipeline,
)


class CatalogServicer(mapper_pb2_grpc.MapperServiceServicer):
    """Knows environments that begin with "plaza" or are called "empty"."""

    async def GetEnvironment(
        self, request: mapper_pb2.GetEnvironmentRequest, context: aio.ServicerContext
    ) -> mapper_pb2.GetEnvironmentResponse:
        """Return an environment that chose its tracker."""
        environment = environment_pb2.Environment(
            environment_id=request.environment_id,
            perception=environment_pb2.Perception(tracker="native"),
        )
        return mapper_pb2.GetEnvironmentResponse(environment=environment)

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

    def opened(
        postgres_dsn: str,
        open_runner: OpenRunner,
        policy: Policy | None = None,
        **settings: Any,
    ) -> AbstractAsyncContextManager[RunningPipeline]:
        peers = PeerAddresses("unused", "unused", "unused", mapper_address)
        config = pipeline_config(postgres_dsn, valkey_url, peers, **settings)
        return running_pipeline(config, open_runner, policy)

    return opened


@pytest.fixture
async def mesh(
    postgres_dsn: str, valkey_url: str, s3: S3Access, tmp_path: Path
) -> AsyncIterator[Mesh]:
    """Give a mesh of all services, whose detector finds what is bright."""
    async with running_mesh(postgres_dsn, valkey_url, s3, tmp_path) as running:
        yield running
