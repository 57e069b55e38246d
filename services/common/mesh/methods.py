"""What the protos declare about every RPC: who may call it, and where it acts."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

import spoton
from services.common.errors import Forbidden
from spoton.common.v1 import options_pb2


@dataclass(frozen=True, slots=True)
class MethodRule:
    """What the protos declare about one RPC.

    Attributes:
        method: Path of its calls, such as `/spoton.mapper.v1.MapperService/GetZone`.
        scope: What its caller must hold.
        environment_path: Fields that lead to the environment in a request; empty for
            calls that concern none.
        client_streaming: Whether it takes many requests.
        server_streaming: Whether it gives many answers.
        audited: Whether calls are recorded.
        purpose_required: Whether people must say why.
        service_callers: Services that may call it on their own identity.
    """

    method: str
    scope: str
    environment_path: tuple[str, ...]
    client_streaming: bool
    server_streaming: bool
    audited: bool
    purpose_required: bool
    service_callers: frozenset[str]

    def environment_of(self, request: Any) -> str | None:
        """Return the environment that a request names; None if it could not name one.

        Only the first message of some streams can: the others lack the message that
        `environment_path` leads through.
        """
        *outer, last = self.environment_path
        for name in outer:
            if not request.HasField(name):
                return None
            request = getattr(request, name)
        return str(getattr(request, last))


@cache
def rule_of(method: str) -> MethodRule:
    """Return what the protos declare about a method.

    Args:
        method: Path of the call.

    Raises:
        Forbidden: The method is unknown or declares no scope; it is never served.
    """
    name = method.lstrip("/").replace("/", ".")
    try:
        descriptor = descriptor_pool.Default().FindMethodByName(name)
    except KeyError:
        raise Forbidden(f"{method} is not described by the protos") from None
    rule = _rule(descriptor)
    if not rule.scope:
        raise Forbidden(f"{method} declares no scope")
    return rule


def declared_methods() -> Sequence[MethodRule]:
    """Return every RPC of the installed protos, in the order of their paths."""
    root = Path(next(iter(spoton.__path__))).parent
    names = [
        ".".join(file.relative_to(root).with_suffix("").parts)
        for file in root.glob("spoton/**/*_pb2.py")
    ]
    services = [
        service
        for name in names
        for service in importlib.import_module(
            name
        ).DESCRIPTOR.services_by_name.values()
    ]
    rules = [_rule(method) for service in services for method in service.methods]
    return sorted(rules, key=lambda rule: rule.method)


def _rule(descriptor: MethodDescriptor) -> MethodRule:
    options = descriptor.GetOptions().Extensions
    field = str(options[options_pb2.environment_field])
    return MethodRule(
        method=f"/{descriptor.containing_service.full_name}/{descriptor.name}",
        scope=str(options[options_pb2.required_scope]),
        environment_path=tuple(field.split(".")) if field else (),
        client_streaming=descriptor.client_streaming,
        server_streaming=descriptor.server_streaming,
        audited=bool(options[options_pb2.audited]),
        purpose_required=bool(options[options_pb2.purpose_required]),
        service_callers=frozenset(options[options_pb2.service_callers]),
    )
