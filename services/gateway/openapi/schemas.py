"""JSON Schemas of messages, as docs/adr/0019 says that they are written and read."""

from collections.abc import Collection
from itertools import combinations
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from services.gateway.transcoder.api import Api
from services.gateway.transcoder.fields import is_repeated, message_of

Schema = dict[str, Any]

_REF = "#/components/schemas/"
_DIGITS = "^-?[0-9]{1,20}$"


def _integer(name: str, bits: int, *, signed: bool) -> Schema:
    least = -(2 ** (bits - 1)) if signed else 0
    most = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    written = "a string" if bits == 64 else "a number"
    return {
        "description": f"Integer of {bits} bits, written as {written}, read as both.",
        "anyOf": [
            {"type": "integer", "minimum": least, "maximum": most},
            {"type": "string", "pattern": _DIGITS},
        ],
        "format": name,
    }


SCALARS: dict[str, Schema] = {
    "Int32": _integer("int32", 32, signed=True),
    "UInt32": _integer("uint32", 32, signed=False),
    "Int64": _integer("int64", 64, signed=True),
    "UInt64": _integer("uint64", 64, signed=False),
    "Number": {
        "description": 'A number, or one of the strings "NaN", "Infinity" and '
        '"-Infinity". A string of digits is read too.',
        "type": ["number", "string"],
    },
    "Bytes": {
        "description": "Bytes in base64.",
        "type": "string",
        "contentEncoding": "base64",
    },
    "Timestamp": {
        "description": "A moment, RFC 3339, with Z or an offset; written in UTC.",
        "type": "string",
        "format": "date-time",
        "examples": ["2026-01-02T03:04:05.678Z"],
    },
    "Duration": {
        "description": "Seconds, with up to nine decimals and the suffix s.",
        "type": "string",
        "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$",
        "examples": ["1.5s"],
    },
    "FieldMask": {
        "description": "Paths of fields in lower camel case, divided by commas. In an "
        "address they may have the proto's spelling.",
        "type": "string",
        "examples": ["displayName,floors"],
    },
    "Any": {
        "description": "A message of the type that @type names.",
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "required": ["@type"],
        "additionalProperties": True,
    },
}

_F = FieldDescriptor
_BY_TYPE: dict[int, Schema] = {
    _F.TYPE_STRING: {"type": "string"},
    _F.TYPE_BOOL: {"type": "boolean"},
    _F.TYPE_BYTES: {"$ref": _REF + "Bytes"},
    _F.TYPE_DOUBLE: {"$ref": _REF + "Number"},
    _F.TYPE_FLOAT: {"$ref": _REF + "Number"},
    _F.TYPE_INT32: {"$ref": _REF + "Int32"},
    _F.TYPE_SINT32: {"$ref": _REF + "Int32"},
    _F.TYPE_SFIXED32: {"$ref": _REF + "Int32"},
    _F.TYPE_UINT32: {"$ref": _REF + "UInt32"},
    _F.TYPE_FIXED32: {"$ref": _REF + "UInt32"},
    _F.TYPE_INT64: {"$ref": _REF + "Int64"},
    _F.TYPE_SINT64: {"$ref": _REF + "Int64"},
    _F.TYPE_SFIXED64: {"$ref": _REF + "Int64"},
    _F.TYPE_UINT64: {"$ref": _REF + "UInt64"},
    _F.TYPE_FIXED64: {"$ref": _REF + "UInt64"},
}
_WELL_KNOWN: dict[str, Schema] = {
    **{name: {"$ref": _REF + name} for name in ("Timestamp", "Duration", "FieldMask")},
    "Any": {"$ref": _REF + "Any"},
    "BoolValue": {"type": "boolean"},
    "StringValue": {"type": "string"},
    "BytesValue": {"$ref": _REF + "Bytes"},
    "DoubleValue": {"$ref": _REF + "Number"},
    "FloatValue": {"$ref": _REF + "Number"},
    "Int32Value": {"$ref": _REF + "Int32"},
    "UInt32Value": {"$ref": _REF + "UInt32"},
    "Int64Value": {"$ref": _REF + "Int64"},
    "UInt64Value": {"$ref": _REF + "UInt64"},
}


class Schemas:
    """Collects the schemas that an API's operations need.

    Attributes:
        components: By name, those that others refer to.
    """

    def __init__(self, api: Api) -> None:
        self._comments = api.comments
        self.components: dict[str, Schema] = dict(SCALARS)

    def reference(self, message: Descriptor) -> Schema:
        """Return a reference to a message's schema."""
        if message.full_name.startswith("google.protobuf."):
            return dict(_WELL_KNOWN.get(message.name, {"type": "object"}))
        name = component_name(message.full_name)
        if name not in self.components:
            self.components[name] = {}
            self.components[name] = self.object(message)
        return {"$ref": _REF + name}

    def object(self, message: Descriptor, without: Collection[str] = ()) -> Schema:
        """Return a message's schema itself.

        Args:
            message: The message.
            without: Names of fields that are given elsewhere.
        """
        schema: Schema = {
            "type": "object",
            "properties": {
                field.name: self.field(field)
                for field in message.fields
                if field.name not in without
            },
            "additionalProperties": False,
        }
        comment = self._comments.get(message.full_name)
        if comment:
            schema["description"] = comment
        exclusions = [
            {"required": list(pair)}
            for oneof in message.oneofs
            for pair in combinations(sorted(each.name for each in oneof.fields), 2)
        ]
        if exclusions:
            schema["not"] = {"anyOf": exclusions}
        return schema

    def field(self, field: FieldDescriptor) -> Schema:
        """Return the schema of a field, lists and maps included, with its comment."""
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            value = self._one(entry.fields_by_name["value"])
            schema: Schema = {"type": "object", "additionalProperties": value}
        elif is_repeated(field):
            schema = {"type": "array", "items": self._one(field)}
        else:
            schema = self._one(field)
        comment = self._comments.get(field.full_name)
        return {**schema, "description": comment} if comment else schema

    def _one(self, field: FieldDescriptor) -> Schema:
        """Return the schema of one value of a field."""
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            return self.reference(message_of(field))
        return dict(_BY_TYPE[field.type])

    def _enum(self, enum: EnumDescriptor) -> Schema:
        """Return a reference to an enum's schema, each value with its comment."""
        name = component_name(enum.full_name)
        names = [value.name for value in enum.values]
        lines = [self._comments.get(enum.full_name, "")]
        for each in names:
            comment = self._comments.get(f"{enum.full_name}.{each}", "")
            lines.append(f"- `{each}`: " + " ".join(comment.split()))
        self.components[name] = {
            "description": "\n".join(line for line in lines if line),
            "type": "string",
            "enum": names,
        }
        return {"$ref": _REF + name}


def component_name(full_name: str) -> str:
    """Return the name of a component: that of the proto, without the project's."""
    return full_name.removeprefix("spoton.")
