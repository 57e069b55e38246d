"""Ask stores and services whether they answer."""

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis.asyncio import Redis

from services.common.errors import Unavailable
from services.common.postgres import Pool
from services.gateway.health import PROBE_S, Probe


def redis_probe(redis: Redis) -> Probe:
    """Return a probe of Redis."""
    return redis.ping


def postgres_probe(pool: Pool) -> Probe:
    """Return a probe of PostgreSQL."""

    async def probe() -> None:
        async with pool.connection(timeout=PROBE_S) as connection:
            await connection.execute("SELECT 1")

    return probe


def service_probe(channel: aio.Channel) -> Probe:
    """Return a probe of a service's health."""
    stub = health_pb2_grpc.HealthStub(channel)

    async def probe() -> None:
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=PROBE_S)
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise Unavailable("it does not serve")

    return probe
