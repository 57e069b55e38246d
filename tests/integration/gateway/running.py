"""Run a gateway before services, without a process of its own."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import aiohttp
from aiohttp.connector import Connection
from redis.asyncio import Redis

from services.gateway.app import Extension, Ports, build_app
from services.gateway.bootstrap import open_channels
from services.gateway.credentials import CallCredentials
from services.gateway.http_server import serving
from services.gateway.idempotency import KeptAnswers
from services.gateway.limits.client_address import Network
from services.gateway.limits.policy import Policies
from services.gateway.transcoder.api import Api
from services.gateway.transcoder.lines import LINES_TYPE
from services.gateway.transcoder.peers import Peers
from services.gateway.transcoder.unary import Deadlines
from tests.fakes.gateway import KeptAudit, KnownCallers, ShownCaller
from tests.fakes.limits import PLENTY, limiter_on

Headers = Mapping[str, str] | Sequence[tuple[str, str]]

HEADERS_S = 0.5
"""Shorter than in earnest, so that the test of slow clients is short."""


class _WholeResponse(aiohttp.ClientResponse):
    """An answer that is read at once, unless it is a stream."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        await super().start(connection)
        if self.status != 101 and self.content_type != LINES_TYPE:
            await self.read()
        return self


def client(
    address: str | None = None, headers: Headers | None = None
) -> aiohttp.ClientSession:
    """Return a client whose answers need not be read to be let go."""
    return aiohttp.ClientSession(
        address, headers=headers, response_class=_WholeResponse
    )


@asynccontextmanager
async def running_gateway(
    api: Api,
    addresses: Mapping[str, str],
    callers: KnownCallers,
    audit: KeptAudit,
    redis: Redis,
    credentials: CallCredentials | None = None,
    limits: Policies = PLENTY,
    trusted_proxies: tuple[Network, ...] = (),
    extend: Callable[[Peers], Extension] | None = None,
) -> AsyncIterator[str]:
    """Give the address of a gateway before services.

    Without credentials it shows services who calls, in the clear.
    """
    async with open_channels(addresses) as channels:
        ports = Ports(
            peers=Peers(channels, credentials or ShownCaller()),
            authenticator=callers,
            tickets=callers,
            validity=callers,
            audit=audit,
            kept=KeptAnswers(redis),
            deadlines=Deadlines(10.0, 20.0),
            limiter=limiter_on(redis, limits),
            trusted_proxies=trusted_proxies,
            origins=frozenset({"https://floor.example"}),
        )
        async with serving(
            build_app(api, ports, [extend(ports.peers)] if extend else []),
            "127.0.0.1:0",
            headers_s=HEADERS_S,
        ) as address:
            yield f"http://{address}"
