"""The gateway as a whole says what it misses, and comes and goes as it should."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from services.common.environ import Environ
from services.gateway.bootstrap import open_gateway
from services.gateway.config import GatewayConfig, config_from_environ
from services.gateway.transcoder.api import shipped_api
from stack.ports import free_ports
from tests.integration.gateway.problems import problem
from tests.integration.gateway.running import client


SECRET = secrets.token_hex(24)
"""One for all tests: the signing keys in their database are sealed by it."""


@pytest.fixture
def config(postgres_dsn: str, valkey_url: str, mapper_address: str) -> GatewayConfig:
    """Give a configuration in which the mapper runs and no other service does."""
    ports = free_ports(4)
    variables = {
        "SPOTON_GATEWAY_POSTGRES_DSN": postgres_dsn,
        "SPOTON_GATEWAY_REDIS_URL": valkey_url,
        "SPOTON_GATEWAY_SECRET": SECRET,
        "SPOTON_MESH_OPEN_LOOPBACK": "true",
        "SPOTON_GATEWAY_LISTEN": f"127.0.0.1:{ports[0]}",
        "SPOTON_GATEWAY_METRICS_LISTEN": f"127.0.0.1:{ports[1]}",
        "SPOTON_GATEWAY_HTTP_LISTEN": f"127.0.0.1:{ports[2]}",
        **{
            f"SPOTON_GATEWAY_{name.upper()}_ADDRESS": f"127.0.0.1:{ports[3]}"
            for name in shipped_api().audiences
        },
        "SPOTON_GATEWAY_MAPPER_ADDRESS": mapper_address,
    }
    return config_from_environ(Environ("SPOTON_GATEWAY_", variables))


async def test_what_is_missing_is_named(config: GatewayConfig) -> None:
    """A service that is away degrades; the process lives, and shows its metrics."""
    async with _running(config) as ask:
        assert await ask("/livez") == (200, '{"status":"ok"}')
        status, said = await ask("/readyz")
        assert status == 200
        assert '"status":"degraded"' in said
        assert '"analytics"' in said
        assert '"mapper"' not in said
        status, said = await ask("/metrics")
        assert status == 200
        assert "spoton_http_requests_total" in said


async def test_a_store_that_is_away(config: GatewayConfig, valkey_server) -> None:
    """Then the gateway is not ready, and says which; later it is again."""
    config = replace(config, redis_url=valkey_server.store.url)
    async with _running(config) as ask:
        assert (await ask("/readyz"))[0] == 200
        await asyncio.to_thread(valkey_server.stop)
        status, said = await ask("/readyz")
        assert status == 503
        assert '"missing":["redis"' in said
        await asyncio.to_thread(valkey_server.start)
        async with asyncio.timeout(10):
            while (await ask("/readyz"))[0] != 200:
                await asyncio.sleep(0.05)


async def test_without_a_valid_token_nothing_is_open(config: GatewayConfig) -> None:
    """Every route but those of logging in answers 401, with a token and without."""
    async with open_gateway(config) as address, client(f"http://{address}") as http:
        document = await (await http.get("/openapi.json")).json()
        closed = [
            (path, method)
            for path, item in document["paths"].items()
            if not path.startswith(("/v1/auth/", "/.well-known/"))
            for method in item
        ]
        for path, method in closed:
            for headers in ({}, {"Authorization": "Bearer anything"}):
                answer = await http.request(method, path, headers=headers)
                await problem(answer, 401, "UNAUTHENTICATED")


@asynccontextmanager
async def _running(config: GatewayConfig) -> AsyncIterator[Callable]:
    """Run the gateway; give what asks its health."""
    async with open_gateway(config), client() as http:

        async def ask(path: str) -> tuple[int, str]:
            url = f"http://{config.server.metrics_listen}{path}"
            async with http.get(url) as answer:
                return answer.status, await answer.text()

        yield ask
