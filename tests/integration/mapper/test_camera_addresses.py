"""Cameras on the network: which addresses are kept, and what becomes of passwords."""

import json
import secrets
from collections.abc import AsyncIterator

import psycopg
import pytest
from cryptography.fernet import MultiFernet
from grpc import aio

from services.common.drain import DrainSignal
from services.common.grpc_client import open_channel
from services.common.grpc_errors import error_from_rpc
from services.common.grpc_server import running_server
from services.common.outgoing.policy import policy_from_texts
from services.mapper.bootstrap import open_mapper
from services.mapper.config import cipher_of
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc

Stub = mapper_pb2_grpc.MapperServiceStub

PASSWORD = "correct-horse"  # noqa: S105 - of the test.
ADDRESS = "rtsp://cam.example.org:8554/live?channel=1"
WITH_PASSWORD = ADDRESS.replace("//", f"//viewer:{PASSWORD}@")
SOURCES = policy_from_texts(("rtsp",), ("*.example.org",), ("10.0.0.0/8",))
OLD, NEW = "o" * 32, "n" * 32


@pytest.fixture
async def stub(postgres_dsn: str) -> AsyncIterator[Stub]:
    """Give a client of a mapper that allows some addresses."""
    async with mapper(postgres_dsn, cipher_of(OLD)) as opened:
        yield opened


def mapper(postgres_dsn: str, cipher: MultiFernet | None):
    """Return a running mapper's client, to be opened."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def opened() -> AsyncIterator[Stub]:
        async with open_mapper(postgres_dsn, DrainSignal(), SOURCES, cipher) as running:
            await running.ready
            async with (
                running_server(running.register) as address,
                open_channel(address) as channel,
            ):
                yield Stub(channel)

    return opened()


@pytest.fixture
async def environment_id(stub: Stub) -> str:
    """Give the name of a new environment."""
    name = f"plaza-{secrets.token_hex(4)}"
    await stub.CreateEnvironment(
        mapper_pb2.CreateEnvironmentRequest(
            environment=environment_pb2.Environment(environment_id=name)
        )
    )
    return name


def camera(
    environment_id: str, url: str, *, keep: bool = False
) -> environment_pb2.Camera:
    """Return a camera with an address."""
    network = environment_pb2.NetworkSource(url=url, has_credentials=keep)
    return environment_pb2.Camera(
        environment_id=environment_id,
        camera_id="north",
        source=environment_pb2.Source(network=network),
    )


async def create(stub: Stub, environment_id: str, url: str) -> environment_pb2.Camera:
    """Create a camera."""
    request = mapper_pb2.CreateCameraRequest(camera=camera(environment_id, url))
    return (await stub.CreateCamera(request)).camera


async def update(
    stub: Stub, environment_id: str, url: str, *, keep: bool
) -> environment_pb2.NetworkSource:
    """Change the address of a camera."""
    changed = camera(environment_id, url, keep=keep)
    request = mapper_pb2.UpdateCameraRequest(camera=changed)
    return (await stub.UpdateCamera(request)).camera.source.network


async def credentials(stub: Stub, environment_id: str) -> tuple[str, str, str]:
    """Return what the pipeline is told."""
    told = await stub.GetCameraCredentials(
        mapper_pb2.GetCameraCredentialsRequest(
            environment_id=environment_id, camera_id="north"
        )
    )
    return told.url, told.username, told.password


async def test_a_password_is_kept_apart(
    stub: Stub, environment_id: str, postgres_dsn: str, capfd: pytest.CaptureFixture
) -> None:
    """No answer, document, log or column shows it; only the pipeline is told."""
    answers = [str(await create(stub, environment_id, WITH_PASSWORD))]
    get = mapper_pb2.GetCameraRequest(environment_id=environment_id, camera_id="north")
    answers.append(str(await stub.GetCamera(get)))
    listing = mapper_pb2.ListCamerasRequest(environment_id=environment_id)
    answers.append(str(await stub.ListCameras(listing)))
    export = mapper_pb2.ExportEnvironmentRequest(environment_id=environment_id)
    answers.append((await stub.ExportEnvironment(export)).document)
    with psycopg.connect(postgres_dsn) as connection:
        for table in ("cameras", "camera_credentials"):
            rows = connection.execute(
                f"SELECT t::text FROM mapper.{table} t "  # noqa: S608 - a constant.
                f"WHERE environment_id = %s",
                (environment_id,),
            ).fetchall()
            assert len(rows) == 1
            answers.append(rows[0][0])
    answers += capfd.readouterr()
    for answer in answers:
        assert PASSWORD not in answer
        assert PASSWORD.encode().hex() not in answer
    for answer in answers[:4]:
        assert ADDRESS in answer
        assert "viewer" not in answer
        assert "has_credentials" in answer
    assert await credentials(stub, environment_id) == (ADDRESS, "viewer", PASSWORD)


async def test_a_password_stays_with_its_host(stub: Stub, environment_id: str) -> None:
    """What was read is written back without losing it; another host does not get it."""
    await create(stub, environment_id, WITH_PASSWORD)
    other_path = ADDRESS.replace("live", "other")
    kept = await update(stub, environment_id, other_path, keep=True)
    assert kept == environment_pb2.NetworkSource(url=other_path, has_credentials=True)
    assert await credentials(stub, environment_id) == (other_path, "viewer", PASSWORD)
    for elsewhere in (
        "rtsp://evil.example.org:8554/live",
        "rtsp://cam.example.org/live",
        "rtsp://10.0.0.1:8554/live",
    ):
        moved = await update(stub, environment_id, elsewhere, keep=True)
        assert not moved.has_credentials
        assert await credentials(stub, environment_id) == (elsewhere, "", "")
        await update(stub, environment_id, WITH_PASSWORD, keep=False)
        assert (await credentials(stub, environment_id))[2] == PASSWORD
    assert not (await update(stub, environment_id, ADDRESS, keep=False)).has_credentials
    assert await credentials(stub, environment_id) == (ADDRESS, "", "")
    assert not (await update(stub, environment_id, ADDRESS, keep=True)).has_credentials


async def test_a_document_brings_passwords_and_takes_none(
    stub: Stub, environment_id: str
) -> None:
    """An import keeps them apart too, and a second one changes nothing."""
    source = {"network": {"url": WITH_PASSWORD}}
    export = mapper_pb2.ExportEnvironmentRequest(environment_id=environment_id)
    document = json.loads((await stub.ExportEnvironment(export)).document)
    document["cameras"] = [{"camera_id": "north", "source": source}]
    request = mapper_pb2.ImportEnvironmentRequest(
        environment_id=environment_id, document=json.dumps(document)
    )
    assert (await stub.ImportEnvironment(request)).created == 1
    assert await credentials(stub, environment_id) == (ADDRESS, "viewer", PASSWORD)
    assert (await stub.ImportEnvironment(request)).updated == 0
    request.document = (await stub.ExportEnvironment(export)).document
    assert PASSWORD not in request.document
    assert (await stub.ImportEnvironment(request)).updated == 0
    assert await credentials(stub, environment_id) == (ADDRESS, "viewer", PASSWORD)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("rtsp://cam.example.com/", "PERMISSION_DENIED"),
        ("https://cam.example.org/", "PERMISSION_DENIED"),
        ("rtsp://viewer:hush-hush@192.168.0.1/", "PERMISSION_DENIED"),
        ("rtsp://169.254.169.254/", "PERMISSION_DENIED"),
        ("rtsp://2852039166/", "INVALID_ARGUMENT"),
        ("rtsp://viewer:hush-hush@2852039166/", "INVALID_ARGUMENT"),
        ("file:///etc/passwd", "INVALID_ARGUMENT"),
        ("viewer:hush-hush@cam.example.org", "INVALID_ARGUMENT"),
    ],
)
async def test_an_address_that_is_not_allowed_is_not_kept(
    stub: Stub, environment_id: str, url: str, code: str
) -> None:
    """The field is named, the address and its password are not."""
    with pytest.raises(aio.AioRpcError) as failure:
        await create(stub, environment_id, url)
    assert failure.value.code().name == code
    error = error_from_rpc(failure.value)
    assert error.field == "camera.source.network.url"
    assert "hush-hush" not in str(error)
    listing = mapper_pb2.ListCamerasRequest(environment_id=environment_id)
    assert not (await stub.ListCameras(listing)).cameras


async def test_keys_are_renewed_and_needed(
    stub: Stub, environment_id: str, postgres_dsn: str
) -> None:
    """A new key first in the list, the old one behind it; without it, a clear no."""
    await create(stub, environment_id, WITH_PASSWORD)
    both = cipher_of(NEW, OLD)
    async with mapper(postgres_dsn, both) as renewed:
        assert (await credentials(renewed, environment_id))[2] == PASSWORD
    for cipher in (cipher_of(NEW), None):
        async with mapper(postgres_dsn, cipher) as other:
            with pytest.raises(aio.AioRpcError) as failure:
                await credentials(other, environment_id)
            assert failure.value.code().name == "FAILED_PRECONDITION"
            assert "SPOTON_MAPPER_SECRET" in (failure.value.details() or "")
    async with mapper(postgres_dsn, None) as keyless:
        with pytest.raises(aio.AioRpcError) as failure:
            await update(keyless, environment_id, WITH_PASSWORD, keep=False)
        assert failure.value.code().name == "FAILED_PRECONDITION"


async def test_a_row_does_not_pass_for_another(
    stub: Stub, environment_id: str, postgres_dsn: str
) -> None:
    """Whoever writes to the table cannot move a password to a camera of their own."""
    await create(stub, environment_id, WITH_PASSWORD)
    own = camera(environment_id, "rtsp://evil.example.org/")
    own.camera_id = "south"
    await stub.CreateCamera(mapper_pb2.CreateCameraRequest(camera=own))
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute(
            "INSERT INTO mapper.camera_credentials SELECT environment_id, 'south', "
            "encrypted FROM mapper.camera_credentials WHERE environment_id = %s",
            (environment_id,),
        )
    request = mapper_pb2.GetCameraCredentialsRequest(
        environment_id=environment_id, camera_id="south"
    )
    with pytest.raises(aio.AioRpcError) as failure:
        await stub.GetCameraCredentials(request)
    assert "of another camera" in (failure.value.details() or "")
