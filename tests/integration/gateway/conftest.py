"""A gateway before a real mapper, and callers whom it knows."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from services.common.caller import EVERY_ENVIRONMENT
from services.common.drain import DrainSignal
from services.common.grpc_server import running_server
from services.gateway.app import Ports, build_app
from services.gateway.bootstrap import open_channels
from services.gateway.credentials import NoCredentials
from services.gateway.http_server import serving
from services.gateway.transcoder.api import shipped_api
from services.gateway.transcoder.endpoint import Deadlines
from services.gateway.transcoder.peers import Peers
from services.mapper.bootstrap import open_mapper
from tests.fakes.gateway import KeptAudit, KnownCallers, caller

ADMIN = {EVERY_ENVIRONMENT: frozenset({"environments:read", "environments:write"})}


@pytest.fixture
def callers() -> KnownCallers:
    """Give the callers that the gateway knows: `admin-token` is everyone's master."""
    return KnownCallers({"admin-token": caller("admin", ADMIN)})


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
async def http(
    mapper_address: str, callers: KnownCallers, audit: KeptAudit
) -> AsyncIterator[aiohttp.ClientSession]:
    """Give a client of a gateway before the mapper, who is an admin."""
    async with open_channels({"mapper": mapper_address}) as channels:
        ports = Ports(
            peers=Peers(channels, NoCredentials()),
            authenticator=callers,
            tickets=callers,
            audit=audit,
            deadlines=Deadlines(10.0, 20.0),
        )
        app = build_app(shipped_api(), ports)
        headers = {"Authorization": "Bearer admin-token"}
        async with (
            serving(app, "127.0.0.1:0") as address,
            aiohttp.ClientSession(f"http://{address}", headers=headers) as session,
        ):
            yield session
