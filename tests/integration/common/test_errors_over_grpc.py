"""Every row of the error table, and who may call, over real gRPC."""

from collections.abc import Sequence

import grpc
import pytest
from grpc import aio

from services.common import errors
from services.common.grpc_client import open_channel
from services.common.grpc_errors import error_from_rpc
from services.common.grpc_server import running_server
from services.common.mesh.methods import rule_of
from services.common.mesh.policy import Call, LoopbackPolicy
from spoton.mapper.v1 import mapper_pb2, mapper_pb2_grpc

TABLE = {
    errors.InvalidInput: "INVALID_ARGUMENT",
    errors.NotFound: "NOT_FOUND",
    errors.AlreadyExists: "ALREADY_EXISTS",
    errors.NotReady: "FAILED_PRECONDITION",
    errors.Conflict: "ABORTED",
    errors.Overloaded: "RESOURCE_EXHAUSTED",
    errors.Unauthenticated: "UNAUTHENTICATED",
    errors.Forbidden: "PERMISSION_DENIED",
    errors.Unavailable: "UNAVAILABLE",
    errors.DeadlineExceeded: "DEADLINE_EXCEEDED",
}


class Raising(mapper_pb2_grpc.MapperServiceServicer):
    """Raises what it is told to."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def GetZone(self, request, context):
        raise self._error


async def call(error: Exception) -> aio.AioRpcError:
    """Return how a call fails whose behaviour raises `error`."""

    def register(server: aio.Server) -> Sequence[str]:
        mapper_pb2_grpc.add_MapperServiceServicer_to_server(Raising(error), server)
        return ("spoton.mapper.v1.MapperService",)

    async with running_server(register) as address, open_channel(address) as channel:
        stub = mapper_pb2_grpc.MapperServiceStub(channel)
        with pytest.raises(aio.AioRpcError) as failure:
            await stub.GetZone(mapper_pb2.GetZoneRequest(), timeout=10)
    return failure.value


@pytest.mark.parametrize(("kind", "code"), TABLE.items())
async def test_an_error_crosses_the_wire(
    kind: type[errors.SpotOnError], code: str
) -> None:
    """A client sees the status of the table, and the class and field again."""
    failure = await call(kind("is wrong", field="zone_id"))
    assert failure.code().name == code
    assert failure.details() == "is wrong"
    error = error_from_rpc(failure)
    assert type(error) is kind
    assert (error.message, error.field) == ("is wrong", "zone_id")


async def test_what_is_not_ours_is_not_shown() -> None:
    """Any other exception becomes INTERNAL with a request id and none of its text."""
    failure = await call(ValueError("password is hunter2"))
    assert failure.code() is grpc.StatusCode.INTERNAL
    assert "hunter2" not in (failure.details() or "")
    assert "request" in (failure.details() or "")


async def test_a_fault_of_the_peer_is_no_absence() -> None:
    """A client does not mistake a peer that is broken for one that is away."""
    error = error_from_rpc(await call(ValueError("broken")))
    assert type(error) is errors.SpotOnError
    assert "INTERNAL" in error.message


async def test_a_caller_from_elsewhere_is_refused() -> None:
    """Without keys of the mesh, only loopback addresses hold scopes."""
    policy, rule = LoopbackPolicy(), rule_of("/spoton.mapper.v1.MapperService/GetZone")
    for peer in ("ipv4:127.0.0.1:5", "ipv6:[::1]:5", "ipv6:%5B::1%5D:5", "unix:"):
        admission = await policy.admit(Call(rule, peer, {}))
        assert admission.caller.holds("zones:read", "anywhere")
    for peer in ("ipv4:10.1.2.3:5", "ipv6:[fe80::1]:5", ""):
        with pytest.raises(errors.Unauthenticated):
            await policy.admit(Call(rule, peer, {}))


def test_a_method_without_a_scope_is_never_served() -> None:
    """An RPC that the protos do not describe is refused."""
    with pytest.raises(errors.Forbidden):
        rule_of("/spoton.mapper.v1.MapperService/NoSuch")
