"""What the protos say: messages, RPCs with their options, and every comment."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

import spoton
from services.gateway.transcoder.writing import Writer
from spoton.common.v1 import options_pb2

_FILES = "descriptors.binpb"
_SERVICE, _METHOD_OF_SERVICE = 6, 2
_MESSAGE, _FIELD_OF_MESSAGE, _MESSAGE_OF_MESSAGE, _ENUM_OF_MESSAGE = 4, 2, 3, 4
_ENUM, _VALUE_OF_ENUM = 5, 2


@dataclass(frozen=True, slots=True)
class Rpc:
    """One RPC, as its proto declares it.

    Attributes:
        path: Of the call, such as `/spoton.mapper.v1.MapperService/GetZone`.
        full_name: Such as `spoton.mapper.v1.MapperService.GetZone`.
        name: Such as `GetZone`.
        service: Full name of its service.
        audience: Name of the process that serves it, such as `mapper`.
        request: Class of its requests.
        response: Class of its answers.
        request_streaming: Whether the client sends many messages.
        response_streaming: Whether the server sends many messages.
        rules: HTTP routes: the first is the main one; empty when it has none.
        required_scope: Scope that a caller must hold.
        environment_field: Path of the field that names the environment, or empty.
        audited: Whether every call is recorded.
        purpose_required: Whether the caller must say why.
        max_request_bytes: Most bytes of a request over HTTP; 0 means the usual.
    """

    path: str
    full_name: str
    name: str
    service: str
    audience: str
    request: type[Message]
    response: type[Message]
    request_streaming: bool
    response_streaming: bool
    rules: tuple[http_pb2.HttpRule, ...]
    required_scope: str
    environment_field: str
    audited: bool
    purpose_required: bool
    max_request_bytes: int

    @property
    def request_type(self) -> Descriptor:
        """Return the descriptor of its requests."""
        return cast(Descriptor, self.request.DESCRIPTOR)

    @property
    def response_type(self) -> Descriptor:
        """Return the descriptor of its answers."""
        return cast(Descriptor, self.response.DESCRIPTOR)

    @property
    def answers_secrets(self) -> bool:
        """Return whether its answers hold a secret, such as a new password."""
        return any(
            field.GetOptions().debug_redact for field in self.response_type.fields
        )


@dataclass(frozen=True, slots=True)
class Api:
    """Everything that the protos describe.

    Attributes:
        pool: The descriptors, apart from those of the generated modules.
        rpcs: All RPCs, by the names of their services and in the order of the files.
        comments: By full name of a service, RPC, message, field, enum or enum value.
        writer: Writes its messages as JSON.
    """

    pool: DescriptorPool
    rpcs: tuple[Rpc, ...]
    comments: Mapping[str, str]
    writer: Writer

    @property
    def audiences(self) -> tuple[str, ...]:
        """Return the names of the processes that serve routes, sorted."""
        return tuple(sorted({rpc.audience for rpc in self.rpcs if rpc.rules}))


@functools.cache
def shipped_api() -> Api:
    """Return the API of the client package that is installed."""
    return api_from_descriptors(shipped_files())


def shipped_files() -> descriptor_pb2.FileDescriptorSet:
    """Return the files of the client package that is installed, with their comments."""
    # An editable installation adds an entry that is no folder.
    places = (Path(entry) / _FILES for entry in spoton.__path__)
    packed = next(place for place in places if place.is_file()).read_bytes()
    return descriptor_pb2.FileDescriptorSet.FromString(packed)


def api_from_descriptors(files: descriptor_pb2.FileDescriptorSet) -> Api:
    """Return the API that `files` describe.

    Args:
        files: Sorted so that each follows those it imports, with source information.
    """
    pool = DescriptorPool()
    comments: dict[str, str] = {}
    for file in files.file:
        pool.Add(file)
        comments |= _comments(file)
    rpcs = [
        rpc
        for file in sorted(files.file, key=lambda each: each.name)
        for service in file.service
        for rpc in _rpcs(pool, file.package, service)
    ]
    return Api(pool, tuple(rpcs), comments, Writer(pool))


def _rpcs(
    pool: DescriptorPool, package: str, service: descriptor_pb2.ServiceDescriptorProto
) -> Iterator[Rpc]:
    """Yield the RPCs of one service."""
    service_name = f"{package}.{service.name}"
    for method in service.method:
        options = method.options.Extensions
        rule = options[annotations_pb2.http]
        yield Rpc(
            path=f"/{service_name}/{method.name}",
            full_name=f"{service_name}.{method.name}",
            name=method.name,
            service=service_name,
            audience=_audience(package),
            request=_message_class(pool, method.input_type),
            response=_message_class(pool, method.output_type),
            request_streaming=method.client_streaming,
            response_streaming=method.server_streaming,
            rules=(rule, *rule.additional_bindings)
            if rule.WhichOneof("pattern")
            else (),
            required_scope=options[options_pb2.required_scope],
            environment_field=options[options_pb2.environment_field],
            audited=options[options_pb2.audited],
            purpose_required=options[options_pb2.purpose_required],
            max_request_bytes=options[options_pb2.max_request_bytes],
        )


def _audience(package: str) -> str:
    """Return who serves a package: `mapper` for `spoton.mapper.v1`."""
    parts = package.split(".")
    return parts[1] if len(parts) > 1 else package


def _message_class(pool: DescriptorPool, type_name: str) -> type[Message]:
    descriptor: Descriptor = pool.FindMessageTypeByName(type_name.lstrip("."))
    return message_factory.GetMessageClass(descriptor)


def _comments(file: descriptor_pb2.FileDescriptorProto) -> dict[str, str]:
    """Return the leading comments of a file, by full name."""
    named = {
        tuple(place.path): place.leading_comments
        for place in file.source_code_info.location
        if place.leading_comments
    }
    return {name: _clean(named[path]) for path, name in _names(file) if path in named}


def _names(
    file: descriptor_pb2.FileDescriptorProto,
) -> Iterator[tuple[tuple[int, ...], str]]:
    """Yield the path in the file's source information, and the full name, of all."""
    for number, service in enumerate(file.service):
        name = f"{file.package}.{service.name}"
        yield (_SERVICE, number), name
        for index, method in enumerate(service.method):
            path = (_SERVICE, number, _METHOD_OF_SERVICE, index)
            yield path, f"{name}.{method.name}"
    for number, message in enumerate(file.message_type):
        yield from _message_names(message, (_MESSAGE, number), file.package)
    for number, enum in enumerate(file.enum_type):
        yield from _enum_names(enum, (_ENUM, number), file.package)


def _message_names(
    message: descriptor_pb2.DescriptorProto, path: tuple[int, ...], scope: str
) -> Iterator[tuple[tuple[int, ...], str]]:
    name = f"{scope}.{message.name}"
    yield path, name
    for number, field in enumerate(message.field):
        yield (*path, _FIELD_OF_MESSAGE, number), f"{name}.{field.name}"
    for number, nested in enumerate(message.nested_type):
        yield from _message_names(nested, (*path, _MESSAGE_OF_MESSAGE, number), name)
    for number, enum in enumerate(message.enum_type):
        yield from _enum_names(enum, (*path, _ENUM_OF_MESSAGE, number), name)


def _enum_names(
    enum: descriptor_pb2.EnumDescriptorProto, path: tuple[int, ...], scope: str
) -> Iterator[tuple[tuple[int, ...], str]]:
    name = f"{scope}.{enum.name}"
    yield path, name
    for number, value in enumerate(enum.value):
        # Within the enum, unlike protobuf's scoping, so that no two have one name.
        yield (*path, _VALUE_OF_ENUM, number), f"{name}.{value.name}"


def _clean(comment: str) -> str:
    """Return a comment without the spaces before its lines."""
    return "\n".join(line.strip() for line in comment.strip().splitlines())
