"""Processes that the measurement of the gateway calls: `gateway`, `empty`, `services`.

Each says on standard output where it listens, and ends with its standard input.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvloop
from aiohttp import web

from services.common.caller import EVERY_ENVIRONMENT
from services.common.drain import DrainSignal
from services.common.environ import Environ
from services.common.grpc_server import running_server
from services.common.redis_client import open_redis
from services.gateway.app import Ports, build_app
from services.gateway.bootstrap import open_channels
from services.gateway.credentials import NoCredentials
from services.gateway.http_server import serving
from services.gateway.idempotency import KeptAnswers
from services.gateway.transcoder.api import shipped_api
from services.gateway.transcoder.peers import Peers
from services.gateway.transcoder.unary import Deadlines
from services.mapper.bootstrap import open_mapper
from services.tracker import bootstrap as tracker_bootstrap
from services.tracker.config import config_from_environ
from tests.fakes.gateway import KeptAudit, KnownCallers, caller
from tests.fakes.limits import limiter_on

TOKEN = "bench-token"  # noqa: S105 - opens nothing but this measurement.


async def gateway(mapper: str, tracker: str, redis_url: str) -> None:
    """Serve the gateway before a mapper and a tracker, counting in Redis."""
    api = shipped_api()
    scopes = frozenset(rpc.required_scope for rpc in api.rpcs)
    callers = KnownCallers({TOKEN: caller("bench", {EVERY_ENVIRONMENT: scopes})})
    async with (
        open_redis(redis_url) as redis,
        open_channels({"mapper": mapper, "tracker": tracker}) as channels,
    ):
        ports = Ports(
            peers=Peers(channels, NoCredentials()),
            authenticator=callers,
            tickets=callers,
            validity=callers,
            audit=KeptAudit(),
            kept=KeptAnswers(redis),
            deadlines=Deadlines(30.0, 60.0),
            limiter=limiter_on(redis),
        )
        async with serving(build_app(api, ports), "127.0.0.1:0") as address:
            await _stay(address)


async def empty() -> None:
    """Serve an aiohttp application whose only handler does nothing."""

    async def nothing(_request: web.Request) -> web.Response:
        return web.Response(body=b"{}", content_type="application/json")

    app = web.Application()
    app.router.add_get("/", nothing)
    async with serving(app, "127.0.0.1:0") as address:
        await _stay(address)


async def services(postgres_dsn: str) -> None:
    """Serve a mapper and a tracker."""
    config = config_from_environ(Environ("SPOTON_TRACKER_", {}))
    tracker = tracker_bootstrap.build(config, DrainSignal())
    async with (
        open_mapper(postgres_dsn, DrainSignal()) as mapper,
        running_server(mapper.register) as mapper_address,
        running_server(tracker) as tracker_address,
    ):
        await mapper.ready
        await _stay(f"{mapper_address} {tracker_address}")


ARMS: dict[str, Callable[..., Awaitable[None]]] = {
    "gateway": gateway,
    "empty": empty,
    "services": services,
}


@asynccontextmanager
async def running_arm(name: str, *arguments: str) -> AsyncIterator[list[str]]:
    """Run an arm as a process of its own; give the addresses that it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench.gateway_arms", name, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().split()
    finally:
        process.terminate()
        await process.wait()


async def _stay(said: str) -> None:
    sys.stdout.write(f"{said}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(ARMS[sys.argv[1]](*sys.argv[2:]))
