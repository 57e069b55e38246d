"""The only place where objects are wired."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping, Sequence

import structlog
from grpc import aio

from services.common.grpc_client import open_channel
from services.common.grpc_server import start_server
from services.common.postgres import open_pool
from services.common.redis_client import open_redis
from services.gateway.app import Ports, build_app
from services.gateway.audit import LoggedAudit
from services.gateway.authentication import ExpiryOnly, NobodyKnown
from services.gateway.config import OWN_AUDIENCES, GatewayConfig
from services.gateway.credentials import NoCredentials
from services.gateway.health import Readiness, health_app
from services.gateway.http_server import serving
from services.gateway.idempotency import KeptAnswers
from services.gateway.live.routes import live_routes
from services.gateway.live.tickets import RedisTickets
from services.gateway.probes import postgres_probe, redis_probe, service_probe
from services.gateway.transcoder.api import shipped_api
from services.gateway.transcoder.peers import Peers
from services.gateway.transcoder.unary import Deadlines

SCHEMA = "gateway"

_log = structlog.get_logger(__name__)


async def run(config: GatewayConfig) -> None:
    """Serve until told to stop."""
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)
    async with open_gateway(config) as address:
        _log.info("serving", http=address, rpcs=config.server.listen)
        await told_to_stop.wait()
        _log.info("stopping")


@contextlib.asynccontextmanager
async def open_gateway(config: GatewayConfig) -> AsyncIterator[str]:
    """Wire the gateway and serve while the context is open.

    Succeeds while stores and services are away.

    Yields:
        The address of HTTP.
    """
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(config.postgres_dsn, SCHEMA))
        redis = open_redis(config.redis_url)
        stack.push_async_callback(redis.aclose)
        channels = await stack.enter_async_context(open_channels(config.peers))
        nobody, credentials, audit = NobodyKnown(), NoCredentials(), LoggedAudit()
        tickets = RedisTickets(redis, nobody)
        kept = KeptAnswers(redis)
        stack.push_async_callback(kept.finish)
        ports = Ports(
            peers=Peers(channels, credentials),
            authenticator=nobody,
            tickets=tickets,
            validity=ExpiryOnly(),
            audit=audit,
            kept=kept,
            deadlines=Deadlines(config.timeout_s, config.most_timeout_s),
            origins=config.cors_origins,
        )
        readiness = Readiness(
            stores={"redis": redis_probe(redis), "postgres": postgres_probe(pool)},
            services={
                name: service_probe(channel)
                for name, channel in channels.items()
                if name not in OWN_AUDIENCES
            },
        )
        await stack.enter_async_context(
            serving(health_app(readiness), config.server.metrics_listen)
        )
        app = build_app(
            shipped_api(),
            ports,
            [live_routes(ports.peers, credentials, tickets, audit)],
        )
        server, _, health = await start_server(config.server.listen, _register)
        stack.push_async_callback(server.stop, config.server.drain_grace_s)
        address = await stack.enter_async_context(serving(app, config.http_listen))
        await health.set_serving(True)
        try:
            yield address
        finally:
            readiness.stopping = True
            await health.set_serving(False)


@contextlib.asynccontextmanager
async def open_channels(
    peers: Mapping[str, str],
) -> AsyncIterator[dict[str, aio.Channel]]:
    """Open a channel to each service while the context is open."""
    async with contextlib.AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(open_channel(address))
            for name, address in peers.items()
        }


def _register(_server: aio.Server) -> Sequence[str]:
    """Add the gateway's own RPCs: none yet."""
    return ()
