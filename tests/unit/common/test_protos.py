"""What every proto of the project must say."""

import importlib
from pathlib import Path

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

import spoton
from services.common.roles import INSTALLATION_SCOPES, SERVICE_SCOPES
from spoton.common.v1 import options_pb2

ROOT = Path(next(iter(spoton.__path__))).parent
FILES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted(ROOT.glob("spoton/**/*_pb2.py"))
]


def methods() -> list[MethodDescriptor]:
    """Return the methods of all services."""
    found = []
    for name in FILES:
        file = importlib.import_module(name).DESCRIPTOR
        found += [
            method
            for service in file.services_by_name.values()
            for method in service.methods
        ]
    return found


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.full_name)
def test_every_rpc_states_scope_environment_and_route(
    method: MethodDescriptor,
) -> None:
    """An RPC has a scope; its environment field exists; it has a route.

    Bidirectional streams have none, and neither has what only services may call.
    """
    options = method.GetOptions()
    scope = options.Extensions[options_pb2.required_scope]
    assert scope.count(":") == 1
    field = options.Extensions[options_pb2.environment_field]
    message = method.input_type
    for part in field.split(".") if field else ():
        message = message.fields_by_name[part].message_type
    named = "environment_id" in method.input_type.fields_by_name
    # Whoever reads about the whole installation may ask for one environment only.
    assert field or not named or scope in INSTALLATION_SCOPES
    http = options.Extensions[annotations_pb2.http]
    unrouted = method.client_streaming or scope in SERVICE_SCOPES
    assert bool(http.WhichOneof("pattern")) is not unrouted


@pytest.mark.parametrize(
    "method",
    [method for method in methods() if method.client_streaming],
    ids=lambda method: method.full_name,
)
def test_every_hot_stream_answers_item_by_item(method: MethodDescriptor) -> None:
    """An answer is one of credit, a result, a status or a request to reopen."""
    outcome = method.output_type.oneofs_by_name["outcome"]
    kinds = {field.name: field.message_type.name for field in outcome.fields}
    assert kinds.pop("window") == "CreditWindow"
    assert kinds.pop("status") == "Status"
    assert kinds.pop("drain").endswith("Drain")
    assert {"result", "embedding"} & set(kinds)


def test_every_proto_is_in_the_pool() -> None:
    """The generated modules register what they describe."""
    assert len(FILES) >= 11
    for name in FILES:
        path = name.removesuffix("_pb2").replace(".", "/") + ".proto"
        assert descriptor_pool.Default().FindFileByName(path)
