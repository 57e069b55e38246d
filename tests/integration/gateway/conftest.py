"""A gateway before a real mapper, and callers whom it knows."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from redis.asyncio import Redis

from services.common.caller import EVERY_ENVIRONMENT
from services.common.drain import DrainSignal
from services.common.grpc_errors import ErrorInterceptor
from services.common.grpc_server import running_server
from services.common.redis_client import open_redis
from services.gateway.transcoder.api import Api, shipped_api
from services.mapper.bootstrap import open_mapper
from tests.fakes.gateway import KeptAudit, KnownCallers, caller
from tests.fakes.toy_api import ToyServer, toy_api
from tests.integration.gateway.running import client, running_gateway

SCOPES = frozenset({"environments:read", "environments:write", "toys:use"})
TOY_API = toy_api()


@pytest.fixture
def callers() -> KnownCallers:
    """Give the callers that the gateway knows: one of all environments, one of one."""
    admin = caller("admin", {EVERY_ENVIRONMENT: SCOPES})
    plaza = caller("plaza", {"plaza": SCOPES})
    return KnownCallers({"admin-token": admin, "plaza-token": plaza})


@pytest.fixture
def audit() -> KeptAudit:
    """Give an audit log to look into."""
    return KeptAudit()


@pytest.fixture
async def mapper_address(postgres_dsn: str) -> AsyncIterator[str]:
    """Give the address of a running mapper."""
    async with (
        open_mapper(postgres_dsn, DrainSignal()) as mapper,
        running_server(mapper.register) as address,
    ):
        await mapper.ready
        yield address


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    """Give an empty Valkey."""
    async with open_redis(valkey_url) as client:
        yield client


@pytest.fixture
def api() -> Api:
    """Give the API with the toys."""
    return TOY_API


@pytest.fixture
def toys() -> ToyServer:
    """Give the service that no code of the gateway knows."""
    return ToyServer(TOY_API)


@pytest.fixture
async def toy_server(toys: ToyServer) -> AsyncIterator[tuple[aio.Server, str]]:
    """Give the running toys, and their address."""
    server = aio.server(interceptors=(ErrorInterceptor(),))
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    toys.register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await health_servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    yield server, f"127.0.0.1:{port}"
    await server.stop(0)


@pytest.fixture
async def gateway(
    toy_server: tuple[aio.Server, str],
    callers: KnownCallers,
    audit: KeptAudit,
    redis: Redis,
) -> AsyncIterator[str]:
    """Give the address of a gateway before the toys."""
    addresses = {"toys": toy_server[1]}
    async with running_gateway(TOY_API, addresses, callers, audit, redis) as address:
        yield address


@pytest.fixture
async def http(gateway: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Give a client who is an admin, of the gateway before the toys."""
    headers = {"Authorization": "Bearer admin-token"}
    async with client(gateway, headers=headers) as session:
        yield session


@pytest.fixture
async def mapper(
    mapper_address: str, callers: KnownCallers, audit: KeptAudit, redis: Redis
) -> AsyncIterator[aiohttp.ClientSession]:
    """Give a client who is an admin, of a gateway before the mapper."""
    headers = {"Authorization": "Bearer admin-token"}
    addresses = {"mapper": mapper_address}
    async with (
        running_gateway(shipped_api(), addresses, callers, audit, redis) as address,
        client(address, headers=headers) as session,
    ):
        yield session
