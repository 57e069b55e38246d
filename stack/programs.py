"""All programs of a stack: how each is run, and how to see that it is up."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common.access_tokens import DEFAULT_ISSUER
from stack.credentials import Credentials, load_or_create
from stack.home import Home
from stack.mesh_keys import MeshKeys
from stack.ports import Ports
from stack.provisioning import BUCKET, DATABASE, provision_postgres
from stack.services import GATEWAY, Service, network_variables
from stack.stores.postgres import Postgres, role_dsn
from stack.stores.seaweedfs import SeaweedFS
from stack.stores.store import Store
from stack.stores.valkey import Valkey

REPOSITORY = Path(__file__).resolve().parents[1]
STORES, SERVICES = "stores", "services"
_PROBE_TIMEOUT_S = 2.0
_S3_ACCESS_KEY = "spoton"


@dataclass(frozen=True, slots=True)
class Program:
    """One process under the supervisor.

    Attributes:
        name: In messages and of the log file.
        group: `STORES` or `SERVICES`: services stop before the stores do.
        command: Runs it in the foreground.
        environment: Added to ours.
        stop_signal: Asks it for a clean end, such as `TERM`.
        is_ready: Tells whether it does its work now; may block for two seconds.
    """

    name: str
    group: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    stop_signal: str
    is_ready: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Stores:
    """The three stores of a stack, and the secrets to them."""

    postgres: Postgres
    valkey: Valkey
    seaweedfs: SeaweedFS
    credentials: Credentials

    def all(self) -> tuple[Store, ...]:
        """Return the stores."""
        return (self.postgres, self.valkey, self.seaweedfs)

    def provision(self, services: Mapping[str, Service]) -> None:
        """Make what the services expect to find, where it is missing."""
        passwords = {
            name: self.credentials[f"postgres-{name}"]
            for name, service in services.items()
            if service.postgres
        }
        provision_postgres(self.postgres, passwords)
        self.seaweedfs.create_bucket(BUCKET)

    def variables(self, name: str, service: Service) -> dict[str, str]:
        """Return the variables that tell a service how to reach its stores."""
        prefix = f"SPOTON_{name.upper()}"
        variables = {}
        if service.postgres:
            password = self.credentials[f"postgres-{name}"]
            dsn = role_dsn(name, password, self.postgres.port, DATABASE)
            variables[f"{prefix}_POSTGRES_DSN"] = dsn
        if service.redis:
            variables[f"{prefix}_REDIS_URL"] = self.valkey.url
        if service.secret:
            variables[f"{prefix}_SECRET"] = self.credentials[f"secret-{name}"]
        if service.s3:
            variables[f"{prefix}_S3_ENDPOINT"] = self.seaweedfs.endpoint
            variables[f"{prefix}_S3_BUCKET"] = BUCKET
            variables[f"{prefix}_S3_ACCESS_KEY"] = self.seaweedfs.access_key
            variables[f"{prefix}_S3_SECRET_KEY"] = self.seaweedfs.secret_key
        return variables


def open_stores(home: Home, ports: Ports, services: Mapping[str, Service]) -> Stores:
    """Describe the stores of a home, making their secrets at the first time."""
    roles = [
        f"postgres-{name}" for name, service in services.items() if service.postgres
    ]
    secrets = [f"secret-{name}" for name, service in services.items() if service.secret]
    names = ["postgres", "valkey", "s3-secret-key", *roles, *secrets]
    credentials = load_or_create(home.credentials, names)
    numbers = {name: port.number for name, port in ports.stores.items()}
    peers = tuple(port.number for port in ports.seaweedfs_peers)
    return Stores(
        postgres=Postgres(
            home.stores / "postgres", numbers["postgres"], credentials["postgres"]
        ),
        valkey=Valkey(home.stores / "valkey", numbers["valkey"], credentials["valkey"]),
        seaweedfs=SeaweedFS(
            home.stores / "seaweedfs",
            numbers["s3"],
            peers,
            _S3_ACCESS_KEY,
            credentials["s3-secret-key"],
        ),
        credentials=credentials,
    )


def account_variables(ports: Ports, stores: Stores) -> dict[str, str]:
    """Return the variables that tell a service whom the gateway's accounts let in."""
    return {
        "SPOTON_MESH_ACCESS_ISSUER": DEFAULT_ISSUER,
        "SPOTON_MESH_ACCESS_KEYS_URL": (
            f"http://127.0.0.1:{ports.http[GATEWAY].number}/.well-known/jwks.json"
        ),
        "SPOTON_MESH_REVOCATIONS_URL": stores.valkey.url,
        "SPOTON_MESH_AUDIT_ADDRESS": f"127.0.0.1:{ports.services[GATEWAY].number}",
    }


def store_program(store: Store) -> Program:
    """Describe the process of a store."""
    command = tuple(store.command())
    signal_name = store.stop_signal
    return Program(store.name, STORES, command, {}, signal_name, store.is_ready)


def service_program(
    name: str,
    service: Service,
    ports: Ports,
    stores: Stores,
    keys: MeshKeys,
    media: Path,
    accounts: Mapping[str, str],
) -> Program:
    """Describe the process of a service; `accounts` as in `account_variables`."""
    variables = network_variables(name, service, ports) | dict(accounts)
    variables |= keys.variables(name)
    variables |= stores.variables(name, service)
    media_variable = f"SPOTON_{name.upper()}_MEDIA_DIR"
    if service.media and media_variable not in os.environ:
        variables[media_variable] = str(media)
    address = f"127.0.0.1:{ports.services[name].number}"
    return Program(
        name=name,
        group=SERVICES,
        command=(sys.executable, "-m", service.module),
        environment=variables,
        stop_signal="TERM",
        is_ready=lambda: is_serving(address),
    )


def is_serving(address: str) -> bool:
    """Tell whether a gRPC service reports that it serves."""
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(
                health_pb2.HealthCheckRequest(), timeout=_PROBE_TIMEOUT_S
            )
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
