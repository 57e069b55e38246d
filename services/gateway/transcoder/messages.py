"""Messages as JSON and back, by the rules of docs/adr/0019."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar, cast

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from services.common.errors import InvalidInput
from services.gateway.json_text import json_bytes, parse_json
from services.gateway.transcoder.fields import (
    is_leaf,
    is_repeated,
    message_of,
    short_reason,
)
from services.gateway.transcoder.writing import Writer

BIG_BYTES = 256 * 1024
"""Size from which JSON is read and written in a thread, so that others go on."""

T = TypeVar("T")


def message_to_json(message: Message, writer: Writer) -> bytes:
    """Return a message as JSON: every field without presence, by its proto's name."""
    return json_bytes(writer.value(message))


def read_json(
    body: bytes, message: Message, pool: DescriptorPool, *, path: str = ""
) -> None:
    """Fill an empty message with what JSON says.

    Args:
        body: UTF-8.
        message: To fill.
        pool: Knows the types of `Any`.
        path: Of the message within the request, for errors.

    Raises:
        InvalidInput: It is no JSON, or not of this message; with the field's path.
    """
    value = parse_json(body)
    kind = cast(Descriptor, message.DESCRIPTOR)
    if not isinstance(value, dict) and not is_leaf_message(kind):
        raise InvalidInput("must be a JSON object", field=path)
    try:
        json_format.ParseDict(value, message, descriptor_pool=pool)
    except (json_format.ParseError, ValueError, TypeError, AttributeError) as error:
        fault = _fault(kind, value, path)
        field, reason = fault or (path, short_reason(error))
        raise InvalidInput(reason, field=field) from None


def is_leaf_message(descriptor: Descriptor) -> bool:
    """Return whether JSON writes a message as no object of its fields."""
    return descriptor.full_name.startswith("google.protobuf.")


async def off_loop(size: int, work: Callable[[], T]) -> T:
    """Return what `work` returns; in a thread when it is about many bytes."""
    return work() if size < BIG_BYTES else await asyncio.to_thread(work)


def _fault(message: Descriptor, value: Any, path: str) -> tuple[str, str] | None:
    """Return the path of the field that makes `value` unusable, and why.

    Asks the library about each part by itself, so its rules are stated nowhere else.
    """
    if not isinstance(value, dict):
        return path, "must be a JSON object"
    given: dict[str, str] = {}
    for key, inner in value.items():
        field = _field(message, key)
        if field is None:
            return _join(path, key), "is no field of this message"
        given[field.name] = key
        fault = _field_fault(field, inner, _join(path, field.name))
        if fault is not None:
            return fault
    return _oneof_fault(message, given, path)


def _field(message: Descriptor, key: str) -> FieldDescriptor | None:
    named: FieldDescriptor | None = message.fields_by_name.get(key)
    if named is not None:
        return named
    return message.fields_by_camelcase_name.get(key)


def _field_fault(
    field: FieldDescriptor, value: Any, path: str
) -> tuple[str, str] | None:
    """Return what is wrong with one field, or None."""
    is_map = (
        field.message_type is not None and field.message_type.GetOptions().map_entry
    )
    if is_map or is_leaf(field) or is_leaf_message(message_of(field)):
        return _leaf_fault(field, value, path)
    if not is_repeated(field):
        return _fault(message_of(field), value, path)
    if not isinstance(value, list):
        return path, "must be a JSON array"
    for number, item in enumerate(value):
        fault = _fault(message_of(field), item, f"{path}[{number}]")
        if fault is not None:
            return fault
    return None


def _leaf_fault(
    field: FieldDescriptor, value: Any, path: str
) -> tuple[str, str] | None:
    """Return what the library says against one value, or None."""
    if is_repeated(field) and isinstance(value, list):
        for number, item in enumerate(value):
            reason = _refusal(field, [item])
            if reason is not None:
                return f"{path}[{number}]", reason
        return None
    reason = _refusal(field, value)
    return None if reason is None else (path, reason)


def _refusal(field: FieldDescriptor, value: Any) -> str | None:
    probe = message_factory.GetMessageClass(field.containing_type)()  # type: ignore[arg-type] # No extension.
    try:
        json_format.ParseDict({field.name: value}, probe)
    except (json_format.ParseError, ValueError, TypeError, AttributeError) as error:
        if field.enum_type is not None:
            names = ", ".join(each.name for each in field.enum_type.values)
            return f"must be one of {names}"
        return short_reason(error)
    return None


def _oneof_fault(
    message: Descriptor, given: dict[str, str], path: str
) -> tuple[str, str] | None:
    """Return the second member of a oneof that is set twice, or None."""
    for oneof in message.oneofs:
        names = [field.name for field in oneof.fields]
        both = [name for name in names if name in given]
        if len(both) > 1:
            return _join(path, both[1]), f"excludes {both[0]}, which is set too"
    return None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
