"""TCP ports: which the stack uses, which are free, and who holds those that are not."""

import random
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import psutil

from stack.home import StackError
from stack.services import SERVICES
from stack.stores.seaweedfs import PEER_PORTS

BASE_VARIABLE = "SPOTON_PORT_BASE"
DEFAULT_BASE = 7100
_HTTP_OFFSET = -1
_METRICS_OFFSET = 100
_STORES_OFFSET = 200
_PEERS_OFFSET = 210
_LAST = 65_535

# Below the range that the kernel gives to outgoing connections.
_FIRST_PORT, _LAST_PORT = 20_000, 32_000


class PortTaken(StackError):
    """A port that the stack needs is in use."""


@dataclass(frozen=True, slots=True)
class Port:
    """One port and the variable that moves it.

    Attributes:
        number: TCP port on 127.0.0.1.
        variable: Name of the environment variable.
    """

    number: int
    variable: str


@dataclass(frozen=True, slots=True)
class Ports:
    """All ports of a stack.

    Attributes:
        services: By name of the service: where it answers RPCs.
        metrics: By name of the service: where it shows its metrics.
        stores: By name of the store.
        seaweedfs_peers: Where the parts of SeaweedFS meet each other.
        http: By name of the service: where it answers HTTP.
    """

    services: Mapping[str, Port]
    metrics: Mapping[str, Port]
    stores: Mapping[str, Port]
    seaweedfs_peers: tuple[Port, ...]
    http: Mapping[str, Port] = field(default_factory=dict)

    def all(self) -> tuple[Port, ...]:
        """Return every port of the stack."""
        named = (self.services, self.metrics, self.stores, self.http)
        ports = [port for group in named for port in group.values()]
        return (*ports, *self.seaweedfs_peers)


def ports_from_environment(variables: Mapping[str, str]) -> Ports:
    """Read the ports: SPOTON_PORT_BASE moves all, SPOTON_<NAME>_PORT one.

    Raises:
        StackError: A variable does not hold a port number, or two hold the same.
    """
    base = _number(variables, BASE_VARIABLE, DEFAULT_BASE)
    if base + _PEERS_OFFSET + PEER_PORTS > _LAST:
        most = _LAST - _PEERS_OFFSET - PEER_PORTS
        raise StackError(f"{BASE_VARIABLE} must be at most {most}; got {base}")

    def named(names: Iterable[str], offset: int, suffix: str) -> dict[str, Port]:
        ports = {}
        for number, name in enumerate(names, base + offset + 1):
            variable = f"SPOTON_{name.upper()}{suffix}"
            ports[name] = Port(_number(variables, variable, number), variable)
        return ports

    first_peer = base + _PEERS_OFFSET + 1
    ports = Ports(
        services=named(SERVICES, 0, "_PORT"),
        metrics=named(SERVICES, _METRICS_OFFSET, "_METRICS_PORT"),
        stores=named(("postgres", "valkey", "s3"), _STORES_OFFSET, "_PORT"),
        seaweedfs_peers=tuple(
            Port(number, BASE_VARIABLE)
            for number in range(first_peer, first_peer + PEER_PORTS)
        ),
        http=named(
            (name for name, service in SERVICES.items() if service.http),
            _HTTP_OFFSET,
            "_HTTP_PORT",
        ),
    )
    _require_different(ports)
    return ports


def require_free(ports: Iterable[Port]) -> None:
    """Check every port before anything is started.

    Raises:
        PortTaken: Names each taken port, its variable and its holder.
    """
    taken = [port for port in ports if not is_free(port.number)]
    if taken:
        lines = [
            f"Port {port.number} is taken by {_holder(port.number)}; set "
            f"{port.variable} to another."
            for port in taken
        ]
        raise PortTaken("\n".join(lines))


def is_free(port: int) -> bool:
    """Tell whether a server could listen on a port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports that nobody listens on now, picked at random.

    Another process may take one before you do; whoever starts a server on them
    tries again with others.
    """
    candidates = random.SystemRandom().sample(range(_FIRST_PORT, _LAST_PORT), 1000)
    free: list[int] = []
    while len(free) < count:
        port = candidates.pop()
        if is_free(port):
            free.append(port)
    return tuple(free)


def _number(variables: Mapping[str, str], variable: str, default: int) -> int:
    text = variables.get(variable) or str(default)
    if not text.isdigit() or not 0 < int(text) <= _LAST:
        raise StackError(f"{variable} must be a port number; got {text!r}")
    return int(text)


def _require_different(ports: Ports) -> None:
    seen: dict[int, Port] = {}
    for port in ports.all():
        other = seen.setdefault(port.number, port)
        if other is not port:
            raise StackError(
                f"{other.variable} and {port.variable} both mean port {port.number}"
            )


def _holder(port: int) -> str:
    """Name the process that listens on a port, as far as we may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr:
                continue
            if connection.laddr.port == port and connection.pid:
                name = psutil.Process(connection.pid).name()
                return f"process {connection.pid} ({name})"
    except psutil.Error:
        return "a process that just ended or is hidden from us"
    return "a process of another user"
