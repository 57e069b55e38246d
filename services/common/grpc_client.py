"""Open channels to other services, all with the same manners."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import grpc
from grpc import aio

from services.common.mesh.identity import MeshIdentity
from services.common.mesh.keys import load_signing_key
from services.common.mesh.settings import MeshSettings
from services.common.mesh.tls import client_credentials
from services.common.message_size import MAX_MESSAGE_BYTES
from services.common.signed_channel import SignedChannel

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


def open_channel(address: str, access_token: str = "") -> aio.Channel:
    """Return a channel to the replicas behind `address`.

    Calls go to replicas in turn, and only to those that report themselves healthy.
    Nothing is connected before the first call.

    Args:
        address: gRPC target, such as `dns:///detector:7101` or `127.0.0.1:7101`.
        access_token: Goes with every call; empty to call without.
    """
    channel = aio.insecure_channel(address, options=_OPTIONS)
    if not access_token:
        return channel
    return SignedChannel(
        channel, lambda: (("authorization", f"Bearer {access_token}"),)
    )


def access_token_from(variables: Mapping[str, str]) -> str:
    """Return the access token of a command: SPOTON_ACCESS_TOKEN; empty for none."""
    return variables.get("SPOTON_ACCESS_TOKEN", "")


def open_peer(mesh: MeshSettings, service: str, address: str) -> aio.Channel:
    """Return a channel to another service, whose calls prove which service calls.

    With certificates, the other service must show one with its name.

    Args:
        mesh: How this service proves itself.
        service: Name of the other, such as `mapper`.
        address: gRPC target, as for `open_channel`.

    Raises:
        InvalidInput: A file of key or certificate cannot be used.
    """
    channel = open_mesh_channel(mesh, service, address)
    if mesh.private_key_file is None:
        return channel
    identity = MeshIdentity(load_signing_key(mesh.private_key_file, mesh.service))
    return SignedChannel(channel, partial(identity.metadata, service))


def open_mesh_channel(mesh: MeshSettings, service: str, address: str) -> aio.Channel:
    """Return a channel to another service that proves nothing by itself.

    For calls that bring their own metadata, such as those on behalf of a caller.

    Raises:
        InvalidInput: A file of certificate or key cannot be used.
    """
    if mesh.tls is None:
        return aio.insecure_channel(address, options=_OPTIONS)
    options: Sequence[tuple[str, Any]] = (
        *_OPTIONS,
        ("grpc.ssl_target_name_override", service),
    )
    credentials: grpc.ChannelCredentials = client_credentials(mesh.tls)
    return aio.secure_channel(address, credentials, options=options)
