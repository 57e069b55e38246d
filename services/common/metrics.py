"""Prometheus metrics: the port that shows them, and those that every service has."""

import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
from grpc import aio
from prometheus_client import (
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)

from services.common.interception import (
    Behaviour,
    BehaviourInterceptor,
    StreamBehaviour,
)

disable_created_metrics()  # type: ignore[no-untyped-call]  # Twice the series.

Context = aio.ServicerContext[Any, Any]

CALLS = Counter(
    "spoton_grpc_calls_total",
    "Calls answered, streams counted once when they end.",
    ("method", "code"),
)
CALL_SECONDS = Histogram(
    "spoton_grpc_call_seconds",
    "Duration of unary calls.",
    ("method",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)

STREAMS_OPEN = Gauge(
    "spoton_grpc_streams_open", "Streams that are being answered.", ("method",)
)
STREAM_SECONDS = Histogram(
    "spoton_grpc_stream_seconds",
    "Duration of streams, from opening to end.",
    ("method",),
    buckets=(0.1, 1, 10, 60, 300, 1800, 7200, 86_400),
)
AUTH_FAILURES = Counter(
    "spoton_auth_failures_total",
    "Calls and requests refused for who makes them: unauthenticated, forbidden.",
    ("reason",),
)

_AUTH_REASONS = {
    grpc.StatusCode.UNAUTHENTICATED: "unauthenticated",
    grpc.StatusCode.PERMISSION_DENIED: "forbidden",
}

for _reason in _AUTH_REASONS.values():
    AUTH_FAILURES.labels(_reason)  # A rate needs its zero.


@contextlib.contextmanager
def serve_metrics(listen: str) -> Iterator[None]:
    """Show the metrics of this process on `listen` while the context is open.

    Args:
        listen: Address, `host:port`.

    Raises:
        OSError: The address cannot be had.
    """
    host, _, port = listen.rpartition(":")
    try:
        server, thread = start_http_server(int(port), addr=host)
    except OSError as error:
        raise OSError(f"cannot listen on {listen} for metrics: {error}") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class CallMetricsInterceptor(BehaviourInterceptor):
    """Counts and times the calls of this project's services."""

    def wrap_single(self, method: str, behaviour: Behaviour) -> Behaviour:
        """Count and time a behaviour with one answer."""
        seconds = CALL_SECONDS.labels(method)

        async def measured(request: Any, context: Context) -> Any:
            begin_s = time.perf_counter()
            try:
                return await behaviour(request, context)
            finally:
                seconds.observe(time.perf_counter() - begin_s)
                _count(method, context)

        return measured

    def wrap_stream(self, method: str, behaviour: StreamBehaviour) -> StreamBehaviour:
        """Count and time a behaviour with many answers."""
        streams, seconds = STREAMS_OPEN.labels(method), STREAM_SECONDS.labels(method)

        async def measured(request: Any, context: Context) -> AsyncIterator[Any]:
            begin_s = time.perf_counter()
            streams.inc()
            try:
                async for answer in behaviour(request, context):
                    yield answer
            finally:
                streams.dec()
                seconds.observe(time.perf_counter() - begin_s)
                _count(method, context)

        return measured


def _count(method: str, context: Context) -> None:
    """Count one ended call under its status."""
    code = context.code() or grpc.StatusCode.OK
    name = code.name if isinstance(code, grpc.StatusCode) else str(code)
    CALLS.labels(method, name).inc()
    if code in _AUTH_REASONS:
        AUTH_FAILURES.labels(_AUTH_REASONS[code]).inc()
