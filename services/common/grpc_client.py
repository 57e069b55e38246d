"""Open channels to other services, all with the same manners."""

import json

from grpc import aio

from services.common.grpc_server import MAX_MESSAGE_BYTES

_SERVICE_CONFIG = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": ""},
    }
)
_OPTIONS = (
    ("grpc.service_config", _SERVICE_CONFIG),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


def open_channel(address: str) -> aio.Channel:
    """Return a channel to the replicas behind `address`.

    Calls go to replicas in turn, and only to those that report themselves healthy.
    Nothing is connected before the first call.

    Args:
        address: gRPC target, such as `dns:///detector:7101` or `127.0.0.1:7101`.
    """
    return aio.insecure_channel(address, options=_OPTIONS)
