"""Run one service: its RPCs, health, reflection and metrics, until told to stop."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import grpc
import structlog
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.common.auth import ScopeInterceptor
from services.common.drain import DrainSignal
from services.common.grpc_errors import ErrorInterceptor
from services.common.mesh.guard import open_guard
from services.common.mesh.policy import LoopbackPolicy, Policy
from services.common.mesh.settings import MeshSettings
from services.common.mesh.tls import server_credentials
from services.common.message_size import MAX_MESSAGE_BYTES
from services.common.metrics import CallMetricsInterceptor, serve_metrics

Register = Callable[[aio.Server], Sequence[str]]
"""Adds servicers to a server and returns the full names of their services."""

_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where a service listens.

    Attributes:
        listen: Address of the RPCs, `host:port`.
        metrics_listen: Address of the Prometheus metrics, `host:port`.
        mesh: Whom it believes, and how it proves itself.
        drain_grace_s: Time for streams to move away when the service stops, seconds.
        health_listen: Address of health checks in plain text, `host:port`; empty
            leaves them to the RPCs' own port.
    """

    listen: str
    metrics_listen: str
    mesh: MeshSettings
    drain_grace_s: float = 10.0
    health_listen: str = ""


LIVE = "live"
"""Name under which a health check asks whether the process answers at all."""


class Health:
    """What the service answers to health checks.

    Whoever asks for LIVE learns that the process answers, and no more: a service
    whose store is away must not be restarted for it.
    """

    def __init__(self, services: Sequence[str]) -> None:
        self._names = ("", *services)
        self.servicer = health.aio.HealthServicer()

    async def set_serving(self, serving: bool) -> None:  # noqa: FBT001 - a setter.
        """Say whether the service can do its work now."""
        status = health_pb2.HealthCheckResponse.ServingStatus
        value = status.SERVING if serving else status.NOT_SERVING
        for name in self._names:
            await self.servicer.set(name, value)

    async def set_live(self) -> None:
        """Say that the process answers."""
        serving = health_pb2.HealthCheckResponse.ServingStatus.Value("SERVING")
        await self.servicer.set(LIVE, serving)


@contextlib.asynccontextmanager
async def serving_health(listen: str, service_health: Health) -> AsyncIterator[None]:
    """Answer health checks alone, in plain text, while the context is open.

    For a kubelet, which has no certificate to show: what it learns is no secret.

    Args:
        listen: Address, `host:port`; empty answers nowhere.
        service_health: What is answered.

    Raises:
        OSError: The address cannot be had.
    """
    if not listen:
        yield
        return
    server = aio.server(options=_OPTIONS)
    health_pb2_grpc.add_HealthServicer_to_server(service_health.servicer, server)
    try:
        server.add_insecure_port(listen)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {listen} for health: {error}") from error
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


async def start_server(
    listen: str,
    register: Register,
    guard: ScopeInterceptor,
    credentials: grpc.ServerCredentials | None = None,
) -> tuple[aio.Server, int, Health]:
    """Start answering on `listen`, reported as not serving yet.

    Args:
        listen: Address, `host:port`; port 0 takes a free one.
        register: Adds the servicers.
        guard: Decides who may call what.
        credentials: For mutual TLS; None for plain text.

    Returns:
        The server, the port that it took, and its health.

    Raises:
        OSError: The address cannot be had.
    """
    server = aio.server(
        interceptors=(
            CallMetricsInterceptor(),
            ErrorInterceptor(),
            guard,
        ),
        options=_OPTIONS,
    )
    services = register(server)
    service_health = Health(services)
    health_pb2_grpc.add_HealthServicer_to_server(service_health.servicer, server)
    names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    await service_health.set_serving(False)
    await service_health.set_live()
    try:
        if credentials is None:
            port = server.add_insecure_port(listen)
        else:
            port = server.add_secure_port(listen, credentials)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {listen}: {error}") from error
    await server.start()
    return server, port, service_health


async def serve(
    settings: ServerSettings,
    register: Register,
    drain: DrainSignal,
    *,
    ready: Callable[[], "asyncio.Future[None]"] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return.

    Args:
        settings: Where to listen.
        register: Adds the servicers.
        drain: Started when the service is told to stop.
        ready: Returns a future that is done once the service can do its work, such
            as when its store answered. The service dies with its exception. Absent
            means at once.
    """
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)
    tls = settings.mesh.tls
    credentials = None if tls is None else server_credentials(tls)
    async with contextlib.AsyncExitStack() as stack:
        guard = await stack.enter_async_context(open_guard(settings.mesh))
        stack.enter_context(serve_metrics(settings.metrics_listen))
        server, port, service_health = await start_server(
            settings.listen, register, guard, credentials
        )
        _log.info("listening", address=settings.listen, port=port)
        await stack.enter_async_context(
            serving_health(settings.health_listen, service_health)
        )
        try:
            if ready is not None and not await _ready_first(ready(), told_to_stop):
                return
            await service_health.set_serving(True)
            _log.info("serving")
            await told_to_stop.wait()
        finally:
            await service_health.set_serving(False)
            drain.start()
            _log.info("draining", grace_s=settings.drain_grace_s)
            await server.stop(settings.drain_grace_s)


async def _ready_first(
    ready: "asyncio.Future[None]", told_to_stop: asyncio.Event
) -> bool:
    """Return whether the service became ready before it was told to stop."""
    stopping = asyncio.ensure_future(told_to_stop.wait())
    await asyncio.wait((ready, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not ready.done():
        ready.cancel()
        return False
    ready.result()
    return True


@contextlib.asynccontextmanager
async def running_server(
    register: Register, policy: Policy | None = None, listen: str = "127.0.0.1:0"
) -> AsyncIterator[str]:
    """Serve on a loopback port while the context is open.

    Args:
        register: Adds the servicers.
        policy: Finds out who calls; None believes everyone on this machine.
        listen: Address, `host:port`; port 0 takes a free one.

    Yields:
        The address to call.
    """
    guard = ScopeInterceptor(policy or LoopbackPolicy())
    server, port, service_health = await start_server(listen, register, guard)
    await service_health.set_serving(True)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)
