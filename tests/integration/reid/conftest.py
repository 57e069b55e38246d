"""A running service on real stores."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from grpc import aio

from services.common.device_watch import DeviceReport
from services.common.drain import DrainSignal
from services.common.grpc_client import open_channel
from services.common.grpc_server import running_server
from services.common.mesh.policy import Policy
from services.reid.bootstrap import load_embedders, prepare, wired
from services.reid.config import ReidConfig, load_config
from services.reid.observe import MODEL_DEVICE
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc
from spoton.reid.v1 import reid_pb2_grpc
from tests.fakes import colour_model

Stub = reid_pb2_grpc.ReidServiceStub
Replica = Callable[[], AbstractAsyncContextManager[Stub]]


def service_config(
    postgres_dsn: str, valkey_url: str, s3: object, **others: str
) -> ReidConfig:
    """Return a configuration for these stores."""
    variables = {
        "POSTGRES_DSN": postgres_dsn,
        "REDIS_URL": valkey_url,
        "S3_ENDPOINT": s3.endpoint,
        "S3_BUCKET": s3.bucket,
        "S3_ACCESS_KEY": s3.access_key,
        "S3_SECRET_KEY": s3.secret_key,
        "STORE_PATIENCE_S": "10",
        "MAPPER_ADDRESS": "127.0.0.1:1",
        **others,
    }
    return load_config(
        {f"SPOTON_REID_{name}": text for name, text in variables.items()}
    )


@asynccontextmanager
async def serving(
    config: ReidConfig,
    drain: DrainSignal,
    *,
    on_address: list[str] | None = None,
    policy: Policy | None = None,
) -> AsyncIterator[Stub]:
    """Run one replica and connect to it; `on_address` is told where it listens.

    Without a policy everybody on this machine may call.
    """
    async with (
        wired(
            config, load_embedders(config, DeviceReport(MODEL_DEVICE)), drain
        ) as register,
        running_server(register, policy) as address,
        open_channel(address) as channel,
    ):
        if on_address is not None:
            on_address.append(address)
        yield stub_of(channel)


def stub_of(channel: aio.Channel) -> Stub:
    """Return a stub of the service."""
    return reid_pb2_grpc.ReidServiceStub(channel)


class Environments(mapper_pb2_grpc.MapperServiceServicer):
    """A mapper whose environments all want the same.

    Attributes:
        blur_heads: Whether they want heads blurred.
    """

    def __init__(self) -> None:
        self.blur_heads = False

    async def GetEnvironment(
        self, request: mapper_pb2.GetEnvironmentRequest, context: aio.ServicerContext
    ) -> mapper_pb2.GetEnvironmentResponse:
        """Return an environment."""
        environment = environment_pb2.Environment(
            environment_id=request.environment_id,
            privacy=environment_pb2.Privacy(blur_heads=self.blur_heads),
        )
        return mapper_pb2.GetEnvironmentResponse(environment=environment)


@pytest.fixture
def environments() -> Environments:
    """Give what environments want."""
    return Environments()


@pytest.fixture
async def mapper_address(environments: Environments) -> AsyncIterator[str]:
    """Give the address of a mapper that tells it."""

    def register(server: aio.Server) -> Sequence[str]:
        mapper_pb2_grpc.add_MapperServiceServicer_to_server(environments, server)
        return ("spoton.mapper.v1.MapperService",)

    async with running_server(register) as address:
        yield address


@pytest.fixture
async def replica(
    postgres_dsn: str, valkey_url: str, s3: object, mapper_address: str
) -> Callable[[], AbstractAsyncContextManager[Stub]]:
    """Give a test what starts a replica of the service."""
    config = service_config(postgres_dsn, valkey_url, s3, MAPPER_ADDRESS=mapper_address)
    await prepare(config)
    return lambda: serving(config, DrainSignal(grace_s=1.0))


@pytest.fixture
async def reid(replica: Replica) -> AsyncIterator[Stub]:
    """Give a test a running service."""
    async with replica() as stub:
        yield stub


@pytest.fixture
async def both(
    postgres_dsn: str,
    valkey_url: str,
    s3: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Stub]:
    """Give a test a service that runs stripes, the default, and a network."""
    names = colour_model.register(tmp_path, monkeypatch)
    config = service_config(postgres_dsn, valkey_url, s3, EMBEDDER=names)
    await prepare(config)
    async with serving(config, DrainSignal(grace_s=1.0)) as stub:
        yield stub
