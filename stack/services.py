"""The services of the mesh and what each is told about the others and the stores."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stack.ports import Ports


@dataclass(frozen=True, slots=True)
class Service:
    """One service and what it needs.

    Attributes:
        module: What `python -m` runs.
        postgres: Whether it has a schema and a role, both named like the service.
        redis: Whether it reads or writes the event stream.
        s3: Whether it stores objects.
        media: Whether it reads recordings.
        secret: Whether it seals something with a secret of its own.
        http: Whether it answers HTTP, on the first port of the stack.
        peers: Services that it calls.
    """

    module: str
    postgres: bool = False
    redis: bool = False
    s3: bool = False
    media: bool = False
    secret: bool = False
    http: bool = False
    peers: tuple[str, ...] = ()


GATEWAY = "gateway"
"""The service with accounts."""

SERVICES: Mapping[str, Service] = {
    "detector": Service("services.detector"),
    "reid": Service(
        "services.reid", postgres=True, redis=True, s3=True, peers=("mapper",)
    ),
    "tracker": Service("services.tracker"),
    "mapper": Service("services.mapper", postgres=True, redis=True, secret=True),
    "pipeline": Service(
        "services.pipeline",
        postgres=True,
        redis=True,
        media=True,
        peers=("detector", "reid", "tracker", "mapper"),
    ),
    "analytics": Service(
        "services.analytics", postgres=True, redis=True, peers=("mapper",)
    ),
    GATEWAY: Service(
        "services.gateway",
        postgres=True,
        redis=True,
        secret=True,
        http=True,
        peers=("detector", "reid", "tracker", "mapper", "pipeline", "analytics"),
    ),
}


def network_variables(name: str, service: Service, ports: "Ports") -> dict[str, str]:
    """Return the variables that say where a service listens and whom it calls."""
    prefix = f"SPOTON_{name.upper()}"
    variables = {
        f"{prefix}_LISTEN": f"127.0.0.1:{ports.services[name].number}",
        f"{prefix}_METRICS_LISTEN": f"127.0.0.1:{ports.metrics[name].number}",
    }
    if service.http:
        address = f"127.0.0.1:{ports.http[name].number}"
        variables[f"{prefix}_HTTP_LISTEN"] = address
    for peer in service.peers:
        address = f"127.0.0.1:{ports.services[peer].number}"
        variables[f"{prefix}_{peer.upper()}_ADDRESS"] = address
    return variables
