"""Fields of a request by their paths, such as `camera.environment_id`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from services.common.errors import InvalidInput

LEAF_MESSAGES = frozenset(
    f"google.protobuf.{name}"
    for name in (
        "Timestamp",
        "Duration",
        "FieldMask",
        "BoolValue",
        "BytesValue",
        "DoubleValue",
        "FloatValue",
        "Int32Value",
        "Int64Value",
        "StringValue",
        "UInt32Value",
        "UInt64Value",
    )
)
"""Messages that JSON writes as one value."""

_PLACE = re.compile(r" at [\w.\[\]]+$")
_BOOLEANS = {"true": True, "false": False}


class BadRoute(ValueError):
    """A route names a field that does not exist, or cannot be used there."""


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """How to reach one field.

    Attributes:
        path: Dotted, from the request.
        parents: Names of the messages on the way.
        name: Of the field in the last of them.
        field: Its descriptor.
    """

    path: str
    parents: tuple[str, ...]
    name: str
    field: FieldDescriptor

    def holder(self, message: Message) -> Message:
        """Return the message that has the field, within `message`."""
        for name in self.parents:
            message = getattr(message, name)
        return message

    def value(self, message: Message) -> Any:
        """Return the field's value, or its default."""
        return getattr(self.holder(message), self.name)

    def set_texts(self, message: Message, texts: Sequence[str]) -> None:
        """Set the field to what an address says.

        Raises:
            InvalidInput: A text is no value of the field, or there are several for
                one value, or another member of its oneof is set.
        """
        holder = self.holder(message)
        if not is_repeated(self.field) and len(texts) > 1:
            raise InvalidInput("is given more than once", field=self.path)
        oneof = self.field.containing_oneof
        if oneof is not None and holder.WhichOneof(oneof.name) not in (None, self.name):
            other = holder.WhichOneof(oneof.name)
            raise InvalidInput(f"excludes {other}, which is set too", field=self.path)
        values = [self._json_value(text) for text in texts]
        value = values if is_repeated(self.field) else values[0]
        try:
            json_format.ParseDict({self.name: value}, holder)
        except (json_format.ParseError, ValueError, TypeError) as error:
            raise InvalidInput(_reason(error, self.field), field=self.path) from None

    def set_segment(self, message: Message, text: str) -> None:
        """Set the field to a part of the path.

        Raises:
            InvalidInput: It is no value of the field, or the body says otherwise.
        """
        if self.field.type == FieldDescriptor.TYPE_STRING:
            holder = self.holder(message)
            said = getattr(holder, self.name)
            if said and said != text:
                raise InvalidInput("differs from the path", field=self.path)
            setattr(holder, self.name, text)
            return
        said = self.value(message)
        default = self.field.default_value
        self.set_texts(message, (text,))
        if said not in (default, self.value(message)):
            raise InvalidInput("differs from the path", field=self.path)

    def _json_value(self, text: str) -> Any:
        if self.field.type == FieldDescriptor.TYPE_BOOL:
            if text not in _BOOLEANS:
                raise InvalidInput("must be true or false", field=self.path)
            return _BOOLEANS[text]
        kind = self.field.message_type.name if self.field.message_type else ""
        if kind == "BoolValue":
            return _BOOLEANS.get(text, text)
        return _camel_case_paths(text) if kind == "FieldMask" else text


def is_repeated(field: FieldDescriptor) -> bool:
    """Return whether a field holds a list or a map."""
    return bool(field.is_repeated)


def message_of(field: FieldDescriptor) -> Descriptor:
    """Return the type of a field that holds messages."""
    if field.message_type is None:
        raise BadRoute(f"{field.full_name} holds no messages")
    return field.message_type


def is_leaf(field: FieldDescriptor) -> bool:
    """Return whether JSON writes one value of the field as no object."""
    message = field.message_type
    return message is None or message.full_name in LEAF_MESSAGES


def plan_field(request: Descriptor, path: str) -> FieldPlan:
    """Return how to reach a field that a route or an option names.

    Raises:
        BadRoute: There is no such field.
    """
    *parents, name = path.split(".")
    message = request
    for parent in parents:
        field = message.fields_by_name.get(parent)
        if field is None or field.message_type is None or is_repeated(field):
            raise BadRoute(f"{request.full_name} has no message at {path!r}")
        message = field.message_type
    if name not in message.fields_by_name:
        raise BadRoute(f"{request.full_name} has no field {path!r}")
    return FieldPlan(path, tuple(parents), name, message.fields_by_name[name])


def query_fields(request: Descriptor) -> Iterator[FieldPlan]:
    """Yield every field that a query can set: leaves, and lists of leaves."""
    yield from _leaves(request, (), frozenset())


def _leaves(
    message: Descriptor, parents: tuple[str, ...], above: frozenset[str]
) -> Iterator[FieldPlan]:
    if message.full_name in above:
        return
    for field in message.fields:
        if is_leaf(field):
            yield FieldPlan(
                ".".join((*parents, field.name)), parents, field.name, field
            )
        elif not is_repeated(field):
            inner = (*parents, field.name)
            yield from _leaves(message_of(field), inner, above | {message.full_name})


def short_reason(error: Exception) -> str:
    """Return the part of the library's message that is about the value."""
    clause = str(error).rpartition(" field: ")[2]
    return _PLACE.sub("", clause).rstrip(".") or "cannot be used"


def _reason(error: Exception, field: FieldDescriptor) -> str:
    """Return why a text is no value of a field."""
    if field.enum_type is not None:
        names = ", ".join(value.name for value in field.enum_type.values)
        return f"must be one of {names}"
    return short_reason(error)


def _camel_case_paths(mask: str) -> str:
    """Return a field mask's paths as JSON spells them."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), mask)
