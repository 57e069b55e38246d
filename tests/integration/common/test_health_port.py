"""Health is answered in plain text on a port of its own, whatever the RPCs ask for."""

import asyncio
import socket
from contextlib import closing

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common.drain import DrainSignal
from services.common.grpc_server import LIVE, ServerSettings, serve
from services.common.mesh.settings import open_loopback

Status = health_pb2.HealthCheckResponse


def free_address() -> str:
    """Return a loopback address that nobody uses now."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{bound.getsockname()[1]}"


async def test_a_service_without_its_store_lives_and_is_not_ready() -> None:
    """Liveness holds while readiness waits for what the service needs."""
    settings = ServerSettings(
        free_address(),
        free_address(),
        open_loopback("test"),
        drain_grace_s=0.1,
        health_listen=free_address(),
    )
    store: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    serving = asyncio.ensure_future(
        serve(settings, lambda _server: ("s",), DrainSignal(), ready=lambda: store)
    )
    async with aio.insecure_channel(settings.health_listen) as channel:
        stub = health_pb2_grpc.HealthStub(channel)

        async def status(name: str) -> int:
            request = health_pb2.HealthCheckRequest(service=name)
            answer = await stub.Check(request, wait_for_ready=True, timeout=20)
            return int(answer.status)

        assert await status(LIVE) == Status.SERVING
        assert await status("") == Status.NOT_SERVING
        watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=20)
        store.set_result(None)
        while (await watch.read()).status != Status.SERVING:
            pass
        assert await status(LIVE) == Status.SERVING
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
