"""The only place where objects are wired."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping
from functools import partial

import structlog
from aiohttp import web
from grpc import aio

from services.common.auth import current_caller
from services.common.errors import SpotOnError
from services.common.grpc_client import open_mesh_channel, open_peer
from services.common.grpc_server import Health, start_server
from services.common.mesh.settings import MeshSettings, open_loopback
from services.common.mesh.tls import server_credentials
from services.common.postgres import open_pool
from services.common.redis_client import open_redis
from services.common.tasks import end_tasks
from services.gateway.accounts.access import (
    AccountsAuthenticator,
    AccountsValidity,
    OwnCallsAudit,
    StoredAudit,
)
from services.gateway.accounts.bootstrap import open_accounts
from services.gateway.accounts.http import AUTH_PATHS, AuthRoutes, add_routes
from services.gateway.accounts.http_described import PATH_ITEMS
from services.gateway.app import DOCUMENTED, Ports, build_app
from services.gateway.config import OWN_AUDIENCES, GatewayConfig
from services.gateway.health import Readiness, health_app
from services.gateway.http_server import serving
from services.gateway.idempotency import KeptAnswers
from services.gateway.limits.admission import LOGIN_PATHS
from services.gateway.limits.limiter import Limiter
from services.gateway.limits.viewers import Viewers
from services.gateway.live.pipeline_source import PipelineSource
from services.gateway.live.routes import live_routes
from services.gateway.live.tickets import RedisTickets
from services.gateway.own_mesh import call_credentials, own_guard
from services.gateway.probes import postgres_probe, redis_probe, service_probe
from services.gateway.transcoder.api import shipped_api
from services.gateway.transcoder.peers import Peers
from services.gateway.transcoder.unary import Deadlines

SCHEMA = "gateway"
_OPEN = open_loopback("gateway")

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
        mesh = config.server.mesh
        channels = await stack.enter_async_context(open_channels(config.peers, mesh))
        accounts = await stack.enter_async_context(
            open_accounts(
                config.accounts,
                config.postgres_dsn,
                pool,
                redis,
                origins=config.cors_origins,
            )
        )
        auditing = accounts.use_cases.auditing
        kept = KeptAnswers(redis)
        stack.push_async_callback(kept.finish)
        authenticator = AccountsAuthenticator(accounts.tokens)
        credentials = call_credentials(mesh)
        tickets = RedisTickets(redis, authenticator)
        ports = Ports(
            peers=Peers(channels, credentials),
            authenticator=authenticator,
            tickets=tickets,
            validity=AccountsValidity(accounts.revocations),
            audit=StoredAudit(auditing),
            kept=kept,
            deadlines=Deadlines(config.timeout_s, config.most_timeout_s),
            limiter=Limiter(redis, config.redis_url, config.limits),
            origins=config.cors_origins,
            trusted_proxies=config.trusted_proxies,
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
            [
                partial(_add_accounts, routes=accounts.routes),
                live_routes(
                    ports.peers,
                    PipelineSource(
                        partial(open_peer, mesh, "pipeline"), config.peers["pipeline"]
                    ),
                    credentials,
                    tickets,
                    ports.audit,
                    Viewers(redis, config.most_viewers),
                ),
            ],
        )
        server, _, health = await start_server(
            config.server.listen,
            accounts.registration(current_caller),
            own_guard(mesh, accounts.tokens, OwnCallsAudit(auditing)),
            None if mesh.tls is None else server_credentials(mesh.tls),
        )
        stack.push_async_callback(server.stop, config.server.drain_grace_s)
        address = await stack.enter_async_context(serving(app, config.http_listen))
        serves = asyncio.create_task(_serve_when(accounts.ready, health))
        stack.push_async_callback(end_tasks, serves)
        try:
            yield address
        finally:
            readiness.stopping = True
            await health.set_serving(False)


def _add_accounts(app: web.Application, *, routes: AuthRoutes) -> None:
    """Add the routes of accounts, and what describes them."""
    add_routes(app, routes)
    app[DOCUMENTED].update(PATH_ITEMS)
    app[LOGIN_PATHS].update(AUTH_PATHS)


async def _serve_when(ready: "asyncio.Future[None]", health: Health) -> None:
    """Report the gateway as serving once accounts are ready; end it if they fail."""
    try:
        await ready
    except SpotOnError as error:
        _log.critical("accounts cannot be served", cause=error.message)
        signal.raise_signal(signal.SIGTERM)
    else:
        await health.set_serving(True)


@contextlib.asynccontextmanager
async def open_channels(
    peers: Mapping[str, str], mesh: MeshSettings = _OPEN
) -> AsyncIterator[dict[str, aio.Channel]]:
    """Open a channel to each service while the context is open."""
    async with contextlib.AsyncExitStack() as stack:
        channels = {}
        for name, address in peers.items():
            service = mesh.service if name in OWN_AUDIENCES else name
            channel = open_mesh_channel(mesh, service, address)
            channels[name] = await stack.enter_async_context(channel)
        yield channels
