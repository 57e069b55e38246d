"""Members of a mesh with keys of their own, and a gateway to attack."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.common.redis_client import open_redis
from services.pipeline.mesh.peers import PeerAddresses
from tests.fakes.live_gateway import LiveGateway, live_gateway
from tests.fakes.mesh import FakeMesh, make_mesh
from tests.fakes.session_runner import Runners
from tests.integration.pipeline.conftest import (  # noqa: F401 - fixtures.
    environment_id,
    mapper_address,
    pipeline,
    pipeline_on,
)
from tests.integration.pipeline.running import pipeline_config, running_pipeline


@pytest.fixture
def members(tmp_path: Path) -> FakeMesh:
    """Give a test members that believe each other."""
    return make_mesh(tmp_path / "mesh")


@pytest.fixture
async def gateway(
    postgres_dsn: str,
    valkey_url: str,
    mapper_address: str,  # noqa: F811 - a fixture.
) -> AsyncIterator[LiveGateway]:
    """Give a gateway before a pipeline whose sessions stand still."""
    peers = PeerAddresses("unused", "unused", "unused", mapper_address)
    config = pipeline_config(postgres_dsn, valkey_url, peers)
    async with (
        running_pipeline(config, Runners()) as running,
        open_redis(valkey_url) as redis,
    ):
        addresses = {
            "pipeline": running.address,
            "mapper": mapper_address,
            "reid": "127.0.0.1:1",
        }
        async with live_gateway(addresses, redis) as attacked:
            yield attacked
