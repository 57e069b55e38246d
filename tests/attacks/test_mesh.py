"""Calls inside the mesh that prove too little, each refused with nothing done."""

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from grpc import aio

from services.common.caller import EVERY_ENVIRONMENT, Caller, CallerKind
from services.common.errors import Unauthenticated
from services.common.grpc_client import open_channel
from services.common.grpc_server import running_server
from services.common.mesh.identity import CALLER_KEY, SERVICE_KEY, Metadata
from services.common.mesh.keys import load_or_create_signing_key
from services.common.mesh.tokens import sign_caller, sign_operator, sign_service
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc
from tests.fakes.mesh import FakeMesh, user

ADMIN = user({EVERY_ENVIRONMENT: {"environments:read", "environments:write"}})
READER = user({"plaza": {"environments:read"}})


class Recording(mapper_pb2_grpc.MapperServiceServicer):
    """Remembers what it was asked to do."""

    def __init__(self) -> None:
        self.done: list[object] = []

    async def GetEnvironment(self, request, context):
        self.done.append(request)
        return mapper_pb2.GetEnvironmentResponse()

    async def UpdateEnvironment(self, request, context):
        self.done.append(request)
        return mapper_pb2.UpdateEnvironmentResponse()

    async def DeleteEnvironment(self, request, context):
        self.done.append(request)
        return mapper_pb2.DeleteEnvironmentResponse()

    async def ListZones(self, request, context):
        self.done.append(request)
        return mapper_pb2.ListZonesResponse()

    async def Project(self, request_iterator, context):
        async for request in request_iterator:
            self.done.append(request)
            yield mapper_pb2.ProjectResponse()


class Tokens:
    """Knows one access token."""

    async def caller(self, token: str, *, address: str = "") -> Caller:
        if token != "good":  # noqa: S105 - of the test.
            raise Unauthenticated("the access token is not valid")
        return READER


@asynccontextmanager
async def mapper(
    members: FakeMesh,
) -> AsyncIterator[tuple[mapper_pb2_grpc.MapperServiceStub, Recording]]:
    """Serve a mapper of the mesh."""
    servicer = Recording()

    def register(server: aio.Server) -> Sequence[str]:
        mapper_pb2_grpc.add_MapperServiceServicer_to_server(servicer, server)
        return ("spoton.mapper.v1.MapperService",)

    policy = members.policy("mapper", Tokens())
    async with (
        running_server(register, policy) as address,
        open_channel(address) as channel,
    ):
        yield mapper_pb2_grpc.MapperServiceStub(channel), servicer


async def refusal(call: aio.UnaryUnaryCall) -> str:
    """Return the status with which a call is refused."""
    with pytest.raises(aio.AioRpcError) as failure:
        await call
    return failure.value.code().name


def get(environment_id: str = "plaza") -> mapper_pb2.GetEnvironmentRequest:
    """Return a request that reads an environment."""
    return mapper_pb2.GetEnvironmentRequest(environment_id=environment_id)


def unsigned(members: FakeMesh) -> str:
    """Return a service token of the algorithm `none`."""
    claims = {"iss": "pipeline", "sub": "pipeline", "aud": "mapper"}
    claims |= {"iat": int(time.time()), "exp": int(time.time()) + 60}
    headers = {"kid": members.keys["pipeline"].key_id, "typ": "spoton-service+jwt"}
    return jwt.encode(claims, None, algorithm="none", headers=headers)


def confused(members: FakeMesh) -> str:
    """Return a service token signed by HMAC with the public key as its secret."""
    key = members.keys["pipeline"]

    def encoded(content: dict) -> bytes:
        text = json.dumps(content).encode()
        return base64.urlsafe_b64encode(text).rstrip(b"=")

    header = {"alg": "HS256", "kid": key.key_id, "typ": "spoton-service+jwt"}
    claims = {"iss": "pipeline", "sub": "pipeline", "aud": "mapper"}
    claims |= {"iat": int(time.time()), "exp": int(time.time()) + 60}
    signed = encoded(header) + b"." + encoded(claims)
    secret = key.private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    digest = hmac.digest(secret, signed, "sha256")
    return (signed + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode()


def tampered(members: FakeMesh) -> str:
    """Return a service token of analytics that says it is the pipeline's."""
    token = sign_service(members.keys["analytics"], "mapper", time.time())
    header, payload, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    claims["iss"] = claims["sub"] = "pipeline"
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
    return ".".join((header, payload.decode(), signature))


def strange(members: FakeMesh) -> str:
    """Return a service token by a key that only calls itself the pipeline's."""
    key = load_or_create_signing_key(members.folder / "evil" / "key.pem", "pipeline")
    return sign_service(key, "mapper", time.time())


SERVICE_TOKENS: dict[str, Callable[[FakeMesh], str]] = {
    "no token": lambda members: "",
    "no JWT": lambda members: "a.b.c",
    "algorithm none": unsigned,
    "key confusion": confused,
    "tampered": tampered,
    "unknown key": strange,
    "another audience": lambda members: sign_service(
        members.keys["pipeline"], "reid", time.time()
    ),
    "over": lambda members: sign_service(
        members.keys["pipeline"], "mapper", time.time() - 3600
    ),
    "from the future": lambda members: sign_service(
        members.keys["pipeline"], "mapper", time.time() + 3600
    ),
    "a caller claim": lambda members: sign_caller(
        members.keys["gateway"], "mapper", ADMIN, time.time()
    ),
}


@pytest.mark.parametrize("name", SERVICE_TOKENS)
async def test_a_service_token_that_proves_nothing(
    members: FakeMesh, name: str
) -> None:
    """Whatever is wrong with a service token, the call is not made."""
    token = SERVICE_TOKENS[name](members)
    async with mapper(members) as (stub, servicer):
        call = stub.GetEnvironment(get(), metadata=((SERVICE_KEY, token),))
        assert await refusal(call) == "UNAUTHENTICATED"
        assert not servicer.done
        # The same call with a good token is, so it was the token.
        await stub.GetEnvironment(
            get(), metadata=members.identity("pipeline").metadata("mapper")
        )


def by_gateway(members: FakeMesh, claim: str) -> Metadata:
    """Return the metadata of a call of the gateway with some claim."""
    return (*members.identity("gateway").metadata("mapper"), (CALLER_KEY, claim))


CLAIMS: dict[str, Callable[[FakeMesh], str]] = {
    "signed by another service": lambda members: sign_caller(
        members.keys["analytics"], "mapper", ADMIN, time.time()
    ),
    "for another service": lambda members: sign_caller(
        members.keys["gateway"], "reid", ADMIN, time.time()
    ),
    "over": lambda members: sign_caller(
        members.keys["gateway"], "mapper", ADMIN, time.time() - 600
    ),
    "of a caller whose token is over": lambda members: sign_caller(
        members.keys["gateway"],
        "mapper",
        user({EVERY_ENVIRONMENT: {"environments:write"}}, life_s=-60),
        time.time(),
    ),
    "of a service": lambda members: sign_caller(
        members.keys["gateway"],
        "mapper",
        Caller(
            "pipeline",
            "pipeline",
            CallerKind.SERVICE,
            {EVERY_ENVIRONMENT: frozenset({"environments:write"})},
            time.time() + 60,
        ),
        time.time(),
    ),
    "a service token": lambda members: sign_service(
        members.keys["gateway"], "mapper", time.time()
    ),
    "no JWT": lambda members: '{"sub": "admin"}',
}


@pytest.mark.parametrize("name", CLAIMS)
async def test_a_forged_caller_claim(members: FakeMesh, name: str) -> None:
    """A claim that the gateway did not make for this service now is not believed."""
    claim = CLAIMS[name](members)
    request = mapper_pb2.UpdateEnvironmentRequest(
        environment=environment_pb2.Environment(environment_id="plaza")
    )
    async with mapper(members) as (stub, servicer):
        call = stub.UpdateEnvironment(request, metadata=by_gateway(members, claim))
        assert await refusal(call) == "UNAUTHENTICATED"
        assert not servicer.done
        identity = members.identity("gateway")
        await stub.UpdateEnvironment(
            request, metadata=identity.metadata("mapper", ADMIN)
        )


async def test_a_service_that_may_not_forward(members: FakeMesh) -> None:
    """Only the gateway acts on behalf of others, also with a claim that it made."""
    true_claim = sign_caller(members.keys["gateway"], "mapper", ADMIN, time.time())
    own = members.identity("pipeline")
    async with mapper(members) as (stub, servicer):
        stolen = (*own.metadata("mapper"), (CALLER_KEY, true_claim))
        assert await refusal(stub.GetEnvironment(get(), metadata=stolen)) == (
            "PERMISSION_DENIED"
        )
        forged = own.metadata("mapper", ADMIN)
        assert await refusal(stub.GetEnvironment(get(), metadata=forged)) == (
            "PERMISSION_DENIED"
        )
        alone = ((CALLER_KEY, true_claim),)
        assert await refusal(stub.GetEnvironment(get(), metadata=alone)) == (
            "UNAUTHENTICATED"
        )
        assert not servicer.done


@pytest.mark.parametrize("service", ["pipeline", "analytics", "gateway", "operator"])
async def test_a_service_calling_what_it_may_not(
    members: FakeMesh, service: str
) -> None:
    """On its own identity a service makes the calls that the protos list for it."""
    request = mapper_pb2.DeleteEnvironmentRequest(environment_id="plaza")
    metadata = members.identity(service).metadata("mapper")
    async with mapper(members) as (stub, servicer):
        call = stub.DeleteEnvironment(request, metadata=metadata)
        assert await refusal(call) == "PERMISSION_DENIED"
        assert not servicer.done


async def test_another_environment(members: FakeMesh) -> None:
    """A right in one environment is none in another, nor in all by a trick."""
    identity = members.identity("gateway")
    async with mapper(members) as (stub, servicer):
        for name in ("factory", "*", "plaza ", "PLAZA"):
            call = stub.GetEnvironment(
                get(name), metadata=identity.metadata("mapper", READER)
            )
            assert await refusal(call) == "PERMISSION_DENIED"
        call = stub.GetEnvironment(
            get(""), metadata=identity.metadata("mapper", READER)
        )
        assert await refusal(call) == "INVALID_ARGUMENT"
        assert not servicer.done


async def test_a_stream_that_leaves_its_environment(members: FakeMesh) -> None:
    """The second message may not be about a place where the caller has no right."""
    metadata = members.identity("gateway").metadata("mapper", READER)
    async with mapper(members) as (stub, servicer):
        stream = stub.Project(metadata=metadata)
        await stream.write(mapper_pb2.ProjectRequest(environment_id="plaza"))
        assert await stream.read() is not aio.EOF
        await stream.write(mapper_pb2.ProjectRequest(environment_id="factory"))
        with pytest.raises(aio.AioRpcError) as failure:
            await stream.read()
        assert failure.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert [one.environment_id for one in servicer.done] == ["plaza"]


async def test_a_stream_into_a_foreign_environment(members: FakeMesh) -> None:
    """The first message is checked before the service sees it."""
    metadata = members.identity("gateway").metadata("mapper", READER)
    async with mapper(members) as (stub, servicer):
        stream = stub.Project(metadata=metadata)
        await stream.write(mapper_pb2.ProjectRequest(environment_id="factory"))
        with pytest.raises(aio.AioRpcError) as failure:
            await stream.read()
        assert failure.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert not servicer.done


BEARERS = {
    "bad": ("Bearer bad",),
    "no scheme": ("good",),
    "basic": ("Basic good",),
    "two of them": ("Bearer good", "Bearer good"),
}


@pytest.mark.parametrize("name", BEARERS)
async def test_a_bad_access_token(members: FakeMesh, name: str) -> None:
    """A direct caller proves itself once, with one good token."""
    metadata = tuple(("authorization", value) for value in BEARERS[name])
    async with mapper(members) as (stub, servicer):
        call = stub.GetEnvironment(get(), metadata=metadata)
        assert await refusal(call) == "UNAUTHENTICATED"
        assert not servicer.done
        good = (("authorization", "Bearer good"),)
        await stub.GetEnvironment(get(), metadata=good)


async def test_two_proofs_at_once(members: FakeMesh) -> None:
    """A token of one's own cannot ride on the token of a service."""
    service = members.identity("pipeline").metadata("mapper")
    both = (*service, ("authorization", "Bearer good"))
    twice = (*service, *service)
    async with mapper(members) as (stub, servicer):
        for metadata in (both, twice):
            call = stub.GetEnvironment(get(), metadata=metadata)
            assert await refusal(call) == "UNAUTHENTICATED"
        assert not servicer.done


async def test_an_operator_token_of_another_member(members: FakeMesh) -> None:
    """Only the operator's key opens everything, and only as what it is."""
    forged = sign_operator(members.keys["pipeline"], "me", time.time())
    true = sign_operator(members.keys["operator"], "me", time.time())
    async with mapper(members) as (stub, servicer):
        for metadata in (
            (("authorization", f"Bearer {forged}"),),
            ((SERVICE_KEY, true),),
        ):
            call = stub.GetEnvironment(get(), metadata=metadata)
            assert await refusal(call) == "UNAUTHENTICATED"
        assert not servicer.done
        opened = (("authorization", f"Bearer {true}"),)
        await stub.GetEnvironment(get(), metadata=opened)


async def test_an_audited_call_that_nobody_records(members: FakeMesh) -> None:
    """Without an audit log a direct caller deletes nothing."""
    operator = sign_operator(members.keys["operator"], "me", time.time())
    request = mapper_pb2.DeleteEnvironmentRequest(environment_id="plaza")
    async with mapper(members) as (stub, servicer):
        call = stub.DeleteEnvironment(
            request, metadata=(("authorization", f"Bearer {operator}"),)
        )
        assert await refusal(call) == "UNAVAILABLE"
        assert not servicer.done


def test_a_key_is_readable_by_its_owner_only(members: FakeMesh) -> None:
    """No private key lies in the file of trust, and none is open to others."""
    for name, key in members.keys.items():
        file = members.folder / f"{name}.pem"
        assert file.stat().st_mode & 0o077 == 0
        assert "d" not in key.public_jwk()
    trust = json.loads(Path(members.folder / "trust.json").read_text())
    assert all(
        set(one) == {"kty", "crv", "alg", "use", "kid", "x"} for one in trust["keys"]
    )
