"""A service that no code knows: its proto is made here, and a server answers it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2, field_mask_pb2
from grpc import aio

from services.common.errors import InvalidInput, NotFound
from services.gateway.transcoder.api import Api, api_from_descriptors, shipped_files
from spoton.common.v1 import options_pb2

PACKAGE = "spoton.toys.v1"
SERVICE = f"{PACKAGE}.ToyService"
_FIELD = descriptor_pb2.FieldDescriptorProto
_METHOD_OF_SERVICE = (6, 0, 2)


def _field(
    name: str, number: int, kind: int, **more: Any
) -> descriptor_pb2.FieldDescriptorProto:
    label = more.pop("label", _FIELD.LABEL_OPTIONAL)
    return _FIELD(name=name, number=number, type=kind, label=label, **more)


def _message(
    name: str, *fields: descriptor_pb2.FieldDescriptorProto
) -> descriptor_pb2.DescriptorProto:
    return descriptor_pb2.DescriptorProto(name=name, field=fields)


def _of(
    name: str, number: int, type_name: str, **more: Any
) -> descriptor_pb2.FieldDescriptorProto:
    return _field(name, number, _FIELD.TYPE_MESSAGE, type_name=type_name, **more)


def toy_file() -> descriptor_pb2.FileDescriptorProto:
    """Return the proto of the toys."""
    text, many = _FIELD.TYPE_STRING, _FIELD.LABEL_REPEATED
    file = descriptor_pb2.FileDescriptorProto(
        name="spoton/toys/v1/toys.proto",
        package=PACKAGE,
        syntax="proto3",
        dependency=[
            "google/api/annotations.proto",
            "google/protobuf/field_mask.proto",
            "google/protobuf/timestamp.proto",
            "google/protobuf/duration.proto",
            "spoton/common/v1/options.proto",
        ],
    )
    colour = file.enum_type.add(name="Colour")
    for number, name in enumerate(("UNSPECIFIED", "RED", "BLUE")):
        colour.value.add(name=f"COLOUR_{name}", number=number)
    toy = _message(
        "Toy",
        _field("environment_id", 1, text),
        _field("toy_id", 2, text),
        _field("weight_g", 3, _FIELD.TYPE_INT64),
        _field("colour", 4, _FIELD.TYPE_ENUM, type_name=f".{PACKAGE}.Colour"),
        _of("bought_time", 5, ".google.protobuf.Timestamp"),
        _of("parts", 6, f".{PACKAGE}.Toy", label=many),
        _field("picture", 7, _FIELD.TYPE_BYTES),
        _field("wound_up", 8, _FIELD.TYPE_BOOL, oneof_index=1, proto3_optional=True),
        _field("runs_on", 9, text, oneof_index=0),
        _field("pulled_by", 10, text, oneof_index=0),
    )
    toy.oneof_decl.add(name="drive")
    toy.oneof_decl.add(name="_wound_up")
    file.message_type.extend(
        [
            toy,
            _message(
                "GetToyRequest",
                _field("environment_id", 1, text),
                _field("toy_id", 2, text),
                _field("with_parts", 3, _FIELD.TYPE_BOOL),
            ),
            _message("GetToyResponse", _of("toy", 1, f".{PACKAGE}.Toy")),
            _message("CreateToyRequest", _of("toy", 1, f".{PACKAGE}.Toy")),
            _message("CreateToyResponse", _of("toy", 1, f".{PACKAGE}.Toy")),
            _message(
                "UpdateToyRequest",
                _of("toy", 1, f".{PACKAGE}.Toy"),
                _of("update_mask", 2, ".google.protobuf.FieldMask"),
            ),
            _message(
                "UpdateToyResponse",
                _of("toy", 1, f".{PACKAGE}.Toy"),
                _of("update_mask", 2, ".google.protobuf.FieldMask"),
            ),
            _message(
                "SearchToysRequest",
                _field("environment_id", 1, text),
                _field(
                    "colours",
                    2,
                    _FIELD.TYPE_ENUM,
                    type_name=f".{PACKAGE}.Colour",
                    label=many,
                ),
                _of("like", 3, f".{PACKAGE}.Toy"),
                _of("since", 4, ".google.protobuf.Timestamp"),
                _of("age", 5, ".google.protobuf.Duration"),
                _of("fields", 6, ".google.protobuf.FieldMask"),
            ),
            _message(
                "SearchToysResponse", _of("request", 1, f".{PACKAGE}.SearchToysRequest")
            ),
            _message(
                "WatchToysRequest",
                _field("environment_id", 1, text),
                _field("count", 2, _FIELD.TYPE_UINT32),
                _field("fail", 3, _FIELD.TYPE_BOOL),
            ),
            _message("WatchToysResponse", _of("toy", 1, f".{PACKAGE}.Toy")),
        ]
    )
    service = file.service.add(name="ToyService")
    base = "/v1/environments/{environment_id}/toys"
    _method(
        service,
        "GetToy",
        http_pb2.HttpRule(
            get=f"{base}/{{toy_id}}",
            additional_bindings=[
                http_pb2.HttpRule(get="/v1/toys/{environment_id}/{toy_id=shelves/*}")
            ],
        ),
        audited=True,
        purpose_required=True,
    )
    _method(
        service,
        "CreateToy",
        http_pb2.HttpRule(
            post="/v1/environments/{toy.environment_id}/toys", body="toy"
        ),
        environment_field="toy.environment_id",
    )
    _method(
        service,
        "UpdateToy",
        http_pb2.HttpRule(
            patch="/v1/environments/{toy.environment_id}/toys/{toy.toy_id}", body="toy"
        ),
        environment_field="toy.environment_id",
    )
    _method(service, "SearchToys", http_pb2.HttpRule(get=f"{base}:search"))
    watch = _method(service, "WatchToys", http_pb2.HttpRule(get=f"{base}:watch"))
    watch.server_streaming = True
    for number, method in enumerate(service.method):
        file.source_code_info.location.add(
            path=(*_METHOD_OF_SERVICE, number),
            span=(0, 0, 0),
            leading_comments=f" Comment of {method.name}.\n",
        )
    return file


def _method(
    service: descriptor_pb2.ServiceDescriptorProto,
    name: str,
    rule: http_pb2.HttpRule,
    *,
    environment_field: str = "environment_id",
    audited: bool = False,
    purpose_required: bool = False,
) -> descriptor_pb2.MethodDescriptorProto:
    """Add a method with its options."""
    method = service.method.add(
        name=name,
        input_type=f".{PACKAGE}.{name}Request",
        output_type=f".{PACKAGE}.{name}Response",
    )
    options = method.options.Extensions
    options[annotations_pb2.http].CopyFrom(rule)
    options[options_pb2.required_scope] = "toys:use"
    options[options_pb2.environment_field] = environment_field
    options[options_pb2.audited] = audited
    options[options_pb2.purpose_required] = purpose_required
    return method


def toy_files() -> descriptor_pb2.FileDescriptorSet:
    """Return the files of the protos, and that of the toys at the end."""
    files = shipped_files()
    if field_mask_pb2.DESCRIPTOR.name not in {file.name for file in files.file}:
        field_mask_pb2.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.append(toy_file())
    return files


def toy_api() -> Api:
    """Return the API of the protos together with the toys."""
    return api_from_descriptors(toy_files())


class ToyServer:
    """Keeps toys, and remembers what it was asked.

    Attributes:
        calls: Full names of the RPCs called.
        metadata: Of the latest call.
        cancelled: Set when a call ended because its caller left.
        hold: While not set, toys are neither shown nor found nor made.
    """

    def __init__(self, api: Api) -> None:
        self._rpcs = {rpc.name: rpc for rpc in api.rpcs if rpc.service == SERVICE}
        self.toys: dict[str, Any] = {}
        self.calls: list[str] = []
        self.metadata: dict[str, str] = {}
        self.cancelled = asyncio.Event()
        self.hold = asyncio.Event()
        self.hold.set()

    def register(self, server: aio.Server) -> Sequence[str]:
        """Add the service to a server."""
        handlers = {}
        for name, rpc in self._rpcs.items():
            make = (
                grpc.unary_stream_rpc_method_handler
                if rpc.response_streaming
                else grpc.unary_unary_rpc_method_handler
            )
            handlers[name] = make(
                getattr(self, name),
                request_deserializer=rpc.request.FromString,
                response_serializer=rpc.response.SerializeToString,
            )
        generic = grpc.method_handlers_generic_handler(SERVICE, handlers)
        server.add_generic_rpc_handlers((generic,))
        return (SERVICE,)

    async def wait_until_called(self, name: str) -> None:
        """Return once an RPC was called."""
        async with asyncio.timeout(5):
            while name not in self.calls:
                await asyncio.sleep(0.005)

    async def wait_until_cancelled(self) -> None:
        """Return once a call ended because its caller left."""
        async with asyncio.timeout(5):
            await self.cancelled.wait()

    async def GetToy(self, request: Any, context: Any) -> Any:
        """Return a toy, once nothing holds it."""
        self._note("GetToy", context)
        await self._held()
        if request.toy_id == "broken":
            raise RuntimeError("a secret of the server")
        if request.toy_id not in self.toys:
            raise NotFound(f"there is no toy {request.toy_id}", field="toy_id")
        return self._answer("GetToy", toy=self.toys[request.toy_id])

    async def CreateToy(self, request: Any, context: Any) -> Any:
        """Keep a toy."""
        self._note("CreateToy", context)
        await self.hold.wait()
        if request.toy.weight_g < 0:
            raise InvalidInput("must not be negative", field="toy.weight_g")
        self.toys[request.toy.toy_id] = request.toy
        return self._answer("CreateToy", toy=request.toy)

    async def UpdateToy(self, request: Any, context: Any) -> Any:
        """Return what came."""
        self._note("UpdateToy", context)
        return self._answer(
            "UpdateToy", toy=request.toy, update_mask=request.update_mask
        )

    async def SearchToys(self, request: Any, context: Any) -> Any:
        """Return what came, once nothing holds it."""
        self._note("SearchToys", context)
        await self._held()
        return self._answer("SearchToys", request=request)

    async def WatchToys(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Yield toys, then fail, end, or wait for the caller to leave."""
        self._note("WatchToys", context)
        response = self._rpcs["WatchToys"].response
        for number in range(request.count):
            answer = response()
            answer.toy.toy_id = f"toy-{number}"
            yield answer
        if request.fail:
            raise NotFound("the toys are gone")
        if request.count == 0:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise

    async def _held(self) -> None:
        try:
            await self.hold.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    def _note(self, name: str, context: Any) -> None:
        self.calls.append(name)
        self.metadata = dict(context.invocation_metadata())

    def _answer(self, name: str, **fields: Any) -> Any:
        return self._rpcs[name].response(**fields)
