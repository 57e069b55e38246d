"""A gateway before a real pipeline with a real event log."""

import secrets
from collections.abc import AsyncIterator, Sequence

import pytest
from grpc import aio

from services.common.grpc_server import running_server
from services.common.redis_client import open_redis
from services.pipeline.mesh.peers import PeerAddresses
from spoton.mapper.v1 import mapper_pb2_grpc
from tests.fakes.live_gateway import LiveGateway, live_gateway
from tests.fakes.session_runner import Runners
from tests.integration.pipeline.conftest import CatalogServicer
from tests.integration.pipeline.running import (
    RunningPipeline,
    pipeline_config,
    running_pipeline,
)


@pytest.fixture
def environment_id() -> str:
    """Give the name of an environment that no other test uses."""
    return f"plaza-{secrets.token_hex(4)}"


@pytest.fixture
async def mapper_address() -> AsyncIterator[str]:
    """Give the address of a mapper that knows every plaza."""

    def register(server: aio.Server) -> Sequence[str]:
        mapper_pb2_grpc.add_MapperServiceServicer_to_server(CatalogServicer(), server)
        return ("spoton.mapper.v1.MapperService",)

    async with running_server(register) as address:
        yield address


@pytest.fixture
async def pipeline(
    postgres_dsn: str, valkey_url: str, mapper_address: str
) -> AsyncIterator[RunningPipeline]:
    """Give a pipeline whose sessions stand still."""
    peers = PeerAddresses("unused", "unused", "unused", mapper_address)
    config = pipeline_config(postgres_dsn, valkey_url, peers)
    async with running_pipeline(config, Runners()) as running:
        yield running


@pytest.fixture
def addresses(pipeline: RunningPipeline, mapper_address: str) -> dict[str, str]:
    """Give the addresses of the services that a gateway needs."""
    return {
        "pipeline": pipeline.address,
        "mapper": mapper_address,
        "reid": "127.0.0.1:1",
    }


@pytest.fixture
async def gateway(
    addresses: dict[str, str], valkey_url: str
) -> AsyncIterator[LiveGateway]:
    """Give a gateway before that pipeline."""
    async with (
        open_redis(valkey_url) as redis,
        live_gateway(addresses, redis) as running,
    ):
        yield running
