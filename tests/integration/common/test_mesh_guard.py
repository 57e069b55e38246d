"""How a service starts to believe others: keys, certificates, or a choice not to."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common.auth import current_caller
from services.common.environ import ConfigError, Environ
from services.common.grpc_client import open_mesh_channel, open_peer
from services.common.grpc_server import start_server
from services.common.mesh.guard import open_guard
from services.common.mesh.settings import MeshSettings, TlsFiles
from services.common.mesh.tls import server_credentials
from spoton.mapper.v1 import mapper_pb2, mapper_pb2_grpc
from stack.ports import free_ports
from tests.fakes.mesh import FakeMesh, make_mesh

DAY = timedelta(days=1)


class Mapper(mapper_pb2_grpc.MapperServiceServicer):
    """Answers with the name of its caller."""

    async def GetEnvironment(self, request, context):
        answer = mapper_pb2.GetEnvironmentResponse()
        answer.environment.environment_id = current_caller().subject
        return answer


def register(server: aio.Server) -> Sequence[str]:
    """Add the servicer."""
    mapper_pb2_grpc.add_MapperServiceServicer_to_server(Mapper(), server)
    return ("spoton.mapper.v1.MapperService",)


def settings(mesh: FakeMesh, service: str, tls: TlsFiles | None = None) -> MeshSettings:
    """Return what a member is told."""
    return MeshSettings(
        service,
        trust_file=mesh.folder / "trust.json",
        private_key_file=mesh.folder / f"{service}.pem",
        tls=tls,
    )


@contextlib.asynccontextmanager
async def serving(told: MeshSettings) -> AsyncIterator[str]:
    """Run the mapper as `serve` does; yield its address."""
    credentials = None if told.tls is None else server_credentials(told.tls)
    async with open_guard(told) as guard:
        server, port, health = await start_server(
            "127.0.0.1:0", register, guard, credentials
        )
        await health.set_serving(True)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(0)


async def ask(channel: aio.Channel) -> str:
    """Return as whom the mapper sees a call."""
    stub = mapper_pb2_grpc.MapperServiceStub(channel)
    request = mapper_pb2.GetEnvironmentRequest(environment_id="plaza")
    answer = await stub.GetEnvironment(request, timeout=10)
    return answer.environment.environment_id


async def test_a_peer_is_known_by_its_key(tmp_path: Path) -> None:
    """A channel between members carries who calls; one without a key is refused."""
    mesh = make_mesh(tmp_path)
    async with serving(settings(mesh, "mapper")) as address:
        async with open_peer(settings(mesh, "pipeline"), "mapper", address) as channel:
            assert await ask(channel) == "pipeline"
        async with open_mesh_channel(
            settings(mesh, "pipeline"), "mapper", address
        ) as channel:
            with pytest.raises(aio.AioRpcError) as failure:
                await ask(channel)
            assert failure.value.code() is grpc.StatusCode.UNAUTHENTICATED


class Authority:
    """Issues certificates."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.crt"
        own = self._certificate(self._name, self._key.public_key())
        own = own.add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        signed = own.sign(self._key, hashes.SHA256())
        self.file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> TlsFiles:
        """Return the files of a member, with a certificate of its name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        certificate = (
            self._certificate(subject, key.public_key())
            .add_extension(names, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        files = TlsFiles(
            self._folder / f"{name}.crt", self._folder / f"{name}.key", self.file
        )
        files.certificate.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
        )
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
        )


async def refused(channel: aio.Channel) -> grpc.StatusCode:
    """Return how a call is refused."""
    with pytest.raises(aio.AioRpcError) as failure:
        await ask(channel)
    return failure.value.code()


async def test_with_certificates_both_ends_show_one(tmp_path: Path) -> None:
    """Plain text, no certificate, one of a stranger, of another service: refused."""
    mesh, authority = make_mesh(tmp_path), Authority(tmp_path)
    mine = authority.issue("pipeline")
    theirs = authority.issue("analytics")
    (tmp_path / "elsewhere").mkdir()
    stranger = Authority(tmp_path / "elsewhere").issue("pipeline")
    believing = TlsFiles(stranger.certificate, stranger.key, authority.file)
    async with serving(settings(mesh, "mapper", authority.issue("mapper"))) as address:
        async with open_peer(settings(mesh, "pipeline", mine), "mapper", address) as c:
            assert await ask(c) == "pipeline"
        async with open_peer(settings(mesh, "pipeline"), "mapper", address) as c:
            assert await refused(c) is grpc.StatusCode.UNAVAILABLE
        async with open_peer(
            settings(mesh, "pipeline", believing), "mapper", address
        ) as c:
            assert await refused(c) is grpc.StatusCode.UNAVAILABLE
        # The certificate of one service, and the token of another.
        async with open_peer(
            settings(mesh, "pipeline", theirs), "mapper", address
        ) as c:
            assert await refused(c) is grpc.StatusCode.UNAUTHENTICATED
        # A server that is not the service that is meant.
        async with open_peer(settings(mesh, "pipeline", mine), "reid", address) as c:
            assert await refused(c) is grpc.StatusCode.UNAVAILABLE


async def test_a_renewed_certificate_is_shown_without_a_restart(
    tmp_path: Path,
) -> None:
    """After the authority has changed, certificates of the new one are believed."""
    mesh, old = make_mesh(tmp_path), Authority(tmp_path)
    mapper = old.issue("mapper")
    before = settings(mesh, "pipeline", old.issue("pipeline"))
    async with serving(settings(mesh, "mapper", mapper)) as address:
        async with open_peer(before, "mapper", address) as channel:
            assert await ask(channel) == "pipeline"
        new = Authority(tmp_path)
        assert new.issue("mapper") == mapper
        after = settings(mesh, "pipeline", new.issue("pipeline"))
        async with open_peer(after, "mapper", address) as channel:
            assert await ask(channel) == "pipeline"


def test_a_service_refuses_to_start_without_a_choice() -> None:
    """The message names the variables: keys of the mesh, or an open loopback."""
    port, metrics_port = free_ports(2)
    told = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SPOTON_MESH_")
    }
    told |= {
        "SPOTON_TRACKER_LISTEN": f"127.0.0.1:{port}",
        "SPOTON_TRACKER_METRICS_LISTEN": f"127.0.0.1:{metrics_port}",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "services.tracker"],
        env=told,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "tracker: SPOTON_MESH_TRUST_FILE is required and not set" in ended.stderr
    assert "SPOTON_MESH_OPEN_LOOPBACK=true" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_service_of_the_mesh_starts_by_its_variables(tmp_path: Path) -> None:
    """Health is answered to everybody, everything else to who proves itself."""
    mesh = make_mesh(tmp_path)
    port, metrics_port = free_ports(2)
    told = {
        **os.environ,
        "SPOTON_MESH_OPEN_LOOPBACK": "false",
        "SPOTON_MESH_TRUST_FILE": str(mesh.folder / "trust.json"),
        "SPOTON_MESH_PRIVATE_KEY_FILE": str(mesh.folder / "mapper.pem"),
        "SPOTON_TRACKER_LISTEN": f"127.0.0.1:{port}",
        "SPOTON_TRACKER_METRICS_LISTEN": f"127.0.0.1:{metrics_port}",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.tracker", env=told
    )
    try:
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=60
            )
            assert answer.status in (
                health_pb2.HealthCheckResponse.SERVING,
                health_pb2.HealthCheckResponse.NOT_SERVING,
            )
            call = channel.unary_unary(
                "/spoton.tracker.v1.TrackerService/ListTrackers",
                request_serializer=bytes,
            )
            with pytest.raises(aio.AioRpcError) as failure:
                await call(b"", timeout=10)
            assert failure.value.code() is grpc.StatusCode.UNAUTHENTICATED
            identity = mesh.identity("pipeline")
            await call(b"", timeout=10, metadata=identity.metadata("tracker"))
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


def environ(**variables: str) -> Environ:
    """Return the environment of a mapper."""
    mesh = {f"SPOTON_MESH_{name}": value for name, value in variables.items()}
    return Environ("SPOTON_MAPPER_", mesh)


def test_variables_that_contradict_each_other_are_refused() -> None:
    """Open and verified at once is a mistake, and so is half of a pair."""
    with pytest.raises(ConfigError, match="exclude each other"):
        environ(OPEN_LOOPBACK="true", TRUST_FILE="trust.json").mesh_settings()
    with pytest.raises(ConfigError, match="SPOTON_MESH_PRIVATE_KEY_FILE"):
        environ(TRUST_FILE="trust.json").mesh_settings()
    half = {"TRUST_FILE": "trust.json", "PRIVATE_KEY_FILE": "key.pem"}
    with pytest.raises(ConfigError, match="SPOTON_MESH_TLS_KEY_FILE"):
        environ(**half, TLS_CERTIFICATE_FILE="a.crt").mesh_settings()
    with pytest.raises(ConfigError, match="SPOTON_MESH_ACCESS_KEYS_URL"):
        environ(**half, ACCESS_ISSUER="spoton").mesh_settings()
    with pytest.raises(ConfigError, match="SPOTON_MESH_REVOCATIONS_URL"):
        environ(
            **half, ACCESS_ISSUER="spoton", ACCESS_KEYS_URL="http://gateway/jwks.json"
        ).mesh_settings()


def test_no_secret_is_shown() -> None:
    """The settings are logged at the start, without what they hide."""
    told = environ(
        TRUST_FILE="trust.json",
        PRIVATE_KEY_FILE="key.pem",
        ACCESS_ISSUER="spoton",
        ACCESS_KEYS_URL="http://gateway/jwks.json",
        REVOCATIONS_URL="redis://:hidden@valkey:6379/0",
    ).mesh_settings()
    assert told.access is not None
    assert "hidden" in told.access.revocations_url
    assert "hidden" not in repr(told)
