"""Who calls a service of the mesh, by what the call proves itself with."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar
from urllib.parse import unquote

from services.common.caller import EVERY_ENVIRONMENT, EVERY_SCOPE, Caller, CallerKind
from services.common.errors import Forbidden, Unauthenticated
from services.common.mesh.identity import CALLER_KEY, SERVICE_KEY
from services.common.mesh.keys import Trust
from services.common.mesh.methods import MethodRule
from services.common.mesh.tokens import (
    OPERATOR_TYPE,
    read_caller,
    read_operator,
    read_service,
    token_type,
)

FORWARDERS = frozenset({"gateway"})
"""Services that may act on behalf of a caller: those that people log in to."""

AUTHORIZATION_KEY = "authorization"
_BEARER = "bearer "
_LOOPBACK_PEERS = ("ipv4:127.", "ipv6:[::1]", "ipv6:%5B::1%5D", "unix:")
_MOST_KNOWN_TOKENS = 4096

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Call:
    """What is known of a call before its request is read.

    Attributes:
        rule: What the protos declare about its method.
        peer: Where it comes from, as gRPC writes it.
        metadata: Its metadata: all values of each key.
        certificate_names: Names in the peer's certificate; empty without mutual TLS.
    """

    rule: MethodRule
    peer: str
    metadata: Mapping[str, tuple[str, ...]]
    certificate_names: frozenset[str] = frozenset()

    @property
    def address(self) -> str:
        """IP address of the peer, or what gRPC writes if it has none."""
        _, _, rest = unquote(self.peer).partition(":")
        return rest.rpartition(":")[0].strip("[]") or self.peer

    def only(self, key: str) -> str:
        """Return the value of a key; empty when it is not there.

        Raises:
            Unauthenticated: It is there more than once.
        """
        values = self.metadata.get(key, ())
        if len(values) > 1:
            raise Unauthenticated(f"the metadata {key} is there more than once")
        return values[0] if values else ""


@dataclass(frozen=True, slots=True)
class Admission:
    """Who calls.

    Attributes:
        caller: Who.
        direct: Whether a person or another system calls this service itself, so that
            nobody else records what it does.
    """

    caller: Caller
    direct: bool = False


class Policy(Protocol):
    """Finds out who calls."""

    async def admit(self, call: Call) -> Admission:
        """Return who makes a call.

        Raises:
            Unauthenticated: It is not known who calls.
            Forbidden: A service may not make the call.
            Unavailable: What is needed to tell is away.
        """


class AccessTokens(Protocol):
    """Knows the accounts behind access tokens."""

    async def caller(self, token: str, *, address: str = "") -> Caller:
        """Return the caller that a token was made for.

        Args:
            token: The token.
            address: Where it came from.

        Raises:
            Unauthenticated: The token is not ours, is over, or was revoked.
            Unavailable: What is needed to tell is away.
        """


class LoopbackPolicy:
    """Believes everyone on this machine, and nobody else."""

    async def admit(self, call: Call) -> Admission:
        """Return a caller who may do everything, if the peer is on this machine.

        Raises:
            Unauthenticated: It is not.
        """
        if not call.peer.startswith(_LOOPBACK_PEERS):
            raise Unauthenticated(
                f"{call.rule.scope} needs a caller on the loopback interface"
            )
        return Admission(
            Caller(
                subject="loopback",
                name="this machine",
                kind=CallerKind.SERVICE,
                grants={EVERY_ENVIRONMENT: EVERY_SCOPE},
                expires_s=math.inf,
            )
        )


class MeshPolicy:
    """Believes signatures: of services, of the gateway's callers, of access tokens."""

    def __init__(
        self,
        service: str,
        trust: Trust,
        access_tokens: AccessTokens | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Keep what is needed to tell.

        Args:
            service: Name of this service, which tokens must be made for.
            trust: Keys of the members of the mesh.
            access_tokens: Knows access tokens; None refuses them.
            clock: Seconds since 1970 UTC.
        """
        self._service = service
        self._trust = trust
        self._access_tokens = access_tokens
        self._services: _Verdicts[str] = _Verdicts(trust, clock)
        self._callers: _Verdicts[tuple[str, Caller]] = _Verdicts(trust, clock)

    async def admit(self, call: Call) -> Admission:
        """Return who makes a call; see Policy."""
        service_token = call.only(SERVICE_KEY)
        claim = call.only(CALLER_KEY)
        authorization = call.only(AUTHORIZATION_KEY)
        if authorization and (service_token or claim):
            raise Unauthenticated("the call proves itself in two ways")
        if authorization:
            account = await self._account(authorization, call.address)
            return Admission(account, direct=True)
        if not service_token:
            raise Unauthenticated(
                "the call needs the metadata authorization, with an access token"
            )
        service = self._calling_service(service_token, call)
        if claim:
            return Admission(self._claimed(service, claim))
        return Admission(_own_identity(service, call.rule))

    async def _account(self, authorization: str, address: str) -> Caller:
        """Return the account behind the metadata `authorization`."""
        if not authorization.lower().startswith(_BEARER):
            raise Unauthenticated("the metadata authorization must be Bearer <token>")
        token = authorization[len(_BEARER) :].strip()
        if token_type(token) == OPERATOR_TYPE:
            return replace(read_operator(token, self._trust), address=address)
        if self._access_tokens is None:
            raise Unauthenticated("this service knows no access tokens")
        return await self._access_tokens.caller(token, address=address)

    def _calling_service(self, token: str, call: Call) -> str:
        """Return which service calls."""
        service = self._services.of(
            token, lambda: read_service(token, self._trust, self._service)
        )
        if call.certificate_names and service not in call.certificate_names:
            raise Unauthenticated(f"the certificate is not of {service}")
        return service

    def _claimed(self, service: str, claim: str) -> Caller:
        """Return the caller on whose behalf a service calls."""
        if service not in FORWARDERS:
            raise Forbidden(f"{service} may not call on behalf of others")
        issuer, caller = self._callers.of(
            claim, lambda: read_caller(claim, self._trust, self._service)
        )
        if issuer != service:
            raise Unauthenticated("the caller claim is not of the service that calls")
        if caller.kind is CallerKind.SERVICE:
            raise Unauthenticated("a service is no caller on whose behalf to act")
        return caller


class _Verdicts(Generic[_T]):
    """What tokens were found to say: to verify one again costs more than a call.

    Nothing is kept beyond its token's life, nor when the keys of the mesh change.
    """

    def __init__(self, trust: Trust, clock: Callable[[], float]) -> None:
        self._trust = trust
        self._clock = clock
        self._version = trust.version()
        self._kept: dict[str, tuple[_T, float]] = {}

    def of(self, token: str, read: Callable[[], tuple[_T, float]]) -> _T:
        """Return what a token says.

        Args:
            token: The token.
            read: Verifies it; returns what it says and when it ends.
        """
        version = self._trust.version()
        if version != self._version or len(self._kept) >= _MOST_KNOWN_TOKENS:
            self._kept.clear()
            self._version = version
        kept = self._kept.get(token)
        if kept is None or self._clock() >= kept[1]:
            kept = self._kept[token] = read()
        return kept[0]


def _own_identity(service: str, rule: MethodRule) -> Caller:
    """Return a service as the caller of a method that it may call by itself."""
    if service not in rule.service_callers:
        raise Forbidden(f"{service} may not call {rule.method} by itself")
    return Caller(
        subject=service,
        name=service,
        kind=CallerKind.SERVICE,
        grants={EVERY_ENVIRONMENT: frozenset({rule.scope})},
        expires_s=math.inf,
    )
