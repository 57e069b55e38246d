"""Who may call what.

Every RPC states its scope in the protos, and this interceptor enforces it. Until
accounts exist the only policy is `LoopbackPolicy`: whoever is on this machine holds
every scope, and nobody else holds any.
"""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from google.protobuf import descriptor_pool
from grpc import aio

from services.common.errors import Forbidden, Unauthenticated
from services.common.interception import (
    Behaviour,
    BehaviourInterceptor,
    StreamBehaviour,
)
from spoton.common.v1 import options_pb2

Context = aio.ServicerContext[Any, Any]
_LOOPBACK_PEERS = ("ipv4:127.", "ipv6:[::1]", "ipv6:%5B::1%5D", "unix:")


class Policy(Protocol):
    """Decides whether a caller holds a scope."""

    def check(self, peer: str, scope: str) -> None:
        """Return if the caller at `peer` holds `scope`.

        Raises:
            Unauthenticated: It is not known who calls.
            Forbidden: The caller lacks the scope.
        """


class LoopbackPolicy:
    """Grants every scope to callers on this machine."""

    def check(self, peer: str, scope: str) -> None:
        """Return if `peer` is a loopback or Unix socket address."""
        if not peer.startswith(_LOOPBACK_PEERS):
            raise Unauthenticated(f"{scope} needs a caller on the loopback interface")


def required_scope(method: str) -> str:
    """Return the scope that the protos declare for a method.

    Args:
        method: Path of the call, such as `/spoton.mapper.v1.MapperService/GetZone`.

    Raises:
        Forbidden: The method is unknown or declares none; it is never served.
    """
    name = method.lstrip("/").replace("/", ".")
    try:
        descriptor = descriptor_pool.Default().FindMethodByName(name)
    except KeyError:
        raise Forbidden(f"{method} is not described by the protos") from None
    scope = str(descriptor.GetOptions().Extensions[options_pb2.required_scope])
    if not scope:
        raise Forbidden(f"{method} declares no scope")
    return scope


class ScopeInterceptor(BehaviourInterceptor):
    """Refuses calls whose scope the caller lacks.

    It must come after the error interceptor, which translates what it raises.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def wrap_single(self, method: str, behaviour: Behaviour) -> Behaviour:
        """Put the check in front of a behaviour with one answer."""

        async def checked(request: Any, context: Context) -> Any:
            self._policy.check(context.peer(), required_scope(method))
            return await behaviour(request, context)

        return checked

    def wrap_stream(self, method: str, behaviour: StreamBehaviour) -> StreamBehaviour:
        """Put the check in front of a behaviour with many answers."""

        def checked(request: Any, context: Context) -> AsyncIterator[Any]:
            self._policy.check(context.peer(), required_scope(method))
            return behaviour(request, context)

        return checked
