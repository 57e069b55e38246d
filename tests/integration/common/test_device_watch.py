"""A service shows on what its models run, and ends when one cannot run any more."""

import asyncio
import socket
from contextlib import closing

import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry, Gauge

from services.common.device_watch import DeviceReport
from services.common.devices import Device, DeviceFailed
from services.common.drain import DrainSignal
from services.common.grpc_server import ServerSettings, serve
from services.common.mesh.settings import open_loopback

Status = health_pb2.HealthCheckResponse


def gauge() -> Gauge:
    """Return a gauge of its own registry."""
    return Gauge("device", "Test.", ("model", "device"), registry=CollectorRegistry())


def free_address() -> str:
    """Return a loopback address that nobody uses now."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{bound.getsockname()[1]}"


async def test_the_gauge_is_one_where_a_model_runs() -> None:
    """A model that moves to the CPU is shown there, and no longer on CUDA."""
    shown = gauge()
    report = DeviceReport(shown)
    for device in (Device.CUDA, Device.CPU):
        report.running("m", device)
        values = {each: shown.labels("m", each.value)._value.get() for each in Device}
        assert values == {each: float(each is device) for each in Device}


async def test_a_lost_device_ends_the_service() -> None:
    """The service reports NOT_SERVING, drains, and ends with the reason."""
    report, drain = DeviceReport(gauge()), DrainSignal(grace_s=5.0)
    settings = ServerSettings(
        free_address(), free_address(), open_loopback("test"), drain_grace_s=5.0
    )
    guarded = asyncio.ensure_future(
        report.guard(serve(settings, lambda _server: ("s",), drain))
    )
    async with aio.insecure_channel(settings.listen) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service="s"), wait_for_ready=True, timeout=20
        )
        while (await watch.read()).status != Status.SERVING:
            pass
        failure = DeviceFailed("model m: cuda failed")
        await asyncio.to_thread(report.lost, failure)
        await asyncio.to_thread(report.lost, DeviceFailed("another, later"))
        assert (await watch.read()).status == Status.NOT_SERVING
        watch.cancel()
        with pytest.raises(DeviceFailed, match="cuda failed"):
            await asyncio.wait_for(guarded, 20)
    assert drain.stopping


async def test_a_service_that_ends_by_itself_ends() -> None:
    """What the service returns or raises is passed on."""

    async def broken() -> None:
        raise OSError("no address")

    async def fine() -> None:
        await asyncio.sleep(0)

    await DeviceReport(gauge()).guard(fine())
    with pytest.raises(OSError, match="no address"):
        await DeviceReport(gauge()).guard(broken())


async def test_cancellation_reaches_the_service() -> None:
    """Whoever cancels the guard cancels the service, and waits for its end."""
    ended, begun = asyncio.Event(), asyncio.Event()

    async def serving() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    guarded = asyncio.ensure_future(DeviceReport(gauge()).guard(serving()))
    await begun.wait()
    guarded.cancel()
    with pytest.raises(asyncio.CancelledError):
        await guarded
    assert ended.is_set()
