"""Every RPC of every service, called with every role and with none."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from grpc import aio

from services.common.caller import EVERY_ENVIRONMENT, Caller
from services.common.grpc_client import open_channel
from services.common.grpc_server import running_server
from services.common.mesh.identity import Metadata
from services.common.mesh.methods import MethodRule, declared_methods
from services.common.roles import PERSONAL_SCOPES, SCOPES, Role, scopes_of
from tests.fakes.mesh import FakeMesh, make_mesh, user

MINE, THEIRS = "plaza", "factory"
RULES = declared_methods()


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> FakeMesh:
    """Give members that believe each other."""
    return make_mesh(tmp_path_factory.mktemp("mesh"))


@pytest.fixture
async def channel(members: FakeMesh) -> AsyncIterator[aio.Channel]:
    """Give a channel to a server that answers every RPC with nothing."""

    def register(server: aio.Server) -> list[str]:
        services: dict[str, dict[str, grpc.RpcMethodHandler]] = {}
        for rule in RULES:
            _, service, method = rule.method.split("/")
            services.setdefault(service, {})[method] = handler(rule)
        for service, handlers in services.items():
            generic = grpc.method_handlers_generic_handler(service, handlers)
            server.add_generic_rpc_handlers((generic,))
        return list(services)

    async with (
        running_server(register, members.policy("everything")) as address,
        open_channel(address) as opened,
    ):
        yield opened


def message_classes(rule: MethodRule) -> tuple[Any, Any]:
    """Return the classes of an RPC's request and answer."""
    name = rule.method.lstrip("/").replace("/", ".")
    described = descriptor_pool.Default().FindMethodByName(name)
    return (
        message_factory.GetMessageClass(described.input_type),
        message_factory.GetMessageClass(described.output_type),
    )


def handler(rule: MethodRule) -> grpc.RpcMethodHandler:
    """Return what answers an RPC with an empty message, once it read a request."""
    request_class, answer_class = message_classes(rule)

    async def first(request: Any, context: aio.ServicerContext) -> None:
        if rule.client_streaming:
            await context.send_initial_metadata(())
            await anext(aiter(request))

    async def one(request: Any, context: aio.ServicerContext) -> Any:
        await first(request, context)
        return answer_class()

    async def many(request: Any, context: aio.ServicerContext) -> AsyncIterator[Any]:
        await first(request, context)
        yield answer_class()

    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[rule.client_streaming, rule.server_streaming]
    return make(
        many if rule.server_streaming else one,
        request_deserializer=request_class.FromString,
        response_serializer=answer_class.SerializeToString,
    )


def request_about(rule: MethodRule, environment_id: str) -> Any:
    """Return a request that names an environment, where it can."""
    request = message_classes(rule)[0]()
    if rule.environment_path:
        *outer, last = rule.environment_path
        inner = request
        for name in outer:
            inner = getattr(inner, name)
            inner.SetInParent()
        setattr(inner, last, environment_id)
    return request


async def status_of(
    channel: aio.Channel, rule: MethodRule, environment_id: str, metadata: Metadata
) -> str:
    """Return the status that a call ends with."""
    request_class, answer_class = message_classes(rule)
    arity = "_".join(
        "stream" if streaming else "unary"
        for streaming in (rule.client_streaming, rule.server_streaming)
    )
    method = getattr(channel, arity)(
        rule.method,
        request_serializer=request_class.SerializeToString,
        response_deserializer=answer_class.FromString,
    )
    request = request_about(rule, environment_id)

    async def requests() -> AsyncIterator[Any]:
        # A message written into a call that was refused hides the status.
        await call.initial_metadata()
        if not call.done():
            yield request

    call = method(
        requests() if rule.client_streaming else request, metadata=metadata, timeout=20
    )
    try:
        if rule.server_streaming:
            async for _ in call:
                pass
        else:
            await call
    except aio.AioRpcError as error:
        return error.code().name
    return "OK"


def callers() -> Iterator[tuple[str, Role, Caller]]:
    """Yield, for each role, who has it in one environment, and in all."""
    for role in Role:
        for where in (MINE, EVERY_ENVIRONMENT):
            grants = {where: set(scopes_of(role, where))}
            grants.setdefault(EVERY_ENVIRONMENT, set()).update(PERSONAL_SCOPES)
            yield where, role, user(grants)


def may(rule: MethodRule, where: str, role: Role, environment_id: str) -> bool:
    """Return whether the table of roles allows a call."""
    if rule.scope in PERSONAL_SCOPES:
        return True
    if rule.scope not in (
        SCOPES[role] if where == EVERY_ENVIRONMENT else scopes_of(role, where)
    ):
        return False
    return not rule.environment_path or where in (EVERY_ENVIRONMENT, environment_id)


async def test_without_proof_nothing_is_called(channel: aio.Channel) -> None:
    """Every RPC wants to know who calls."""
    assert len(RULES) > 50
    for rule in RULES:
        for environment_id in (MINE, ""):
            status = await status_of(channel, rule, environment_id, ())
            assert status == "UNAUTHENTICATED", rule.method


@pytest.mark.parametrize(
    ("where", "role", "caller"),
    list(callers()),
    ids=lambda value: str(value) if isinstance(value, str) else "caller",
)
async def test_each_role_calls_what_its_table_says(
    channel: aio.Channel, members: FakeMesh, where: str, role: Role, caller: Caller
) -> None:
    """No more and no less, in its own environment and in another."""
    metadata = members.identity("gateway").metadata("everything", caller)
    for rule in RULES:
        for environment_id in (MINE, THEIRS):
            status = await status_of(channel, rule, environment_id, metadata)
            allowed = may(rule, where, role, environment_id)
            expected = "OK" if allowed else "PERMISSION_DENIED"
            assert status == expected, (rule.method, environment_id)


@pytest.mark.parametrize("service", ["pipeline", "analytics", "gateway", "mapper"])
async def test_each_service_calls_what_the_protos_list(
    channel: aio.Channel, members: FakeMesh, service: str
) -> None:
    """On its own identity; whoever is not listed needs a caller."""
    metadata = members.identity(service).metadata("everything")
    for rule in RULES:
        status = await status_of(channel, rule, MINE, metadata)
        listed = service in rule.service_callers
        assert status == ("OK" if listed else "PERMISSION_DENIED"), rule.method
