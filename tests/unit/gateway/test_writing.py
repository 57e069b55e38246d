"""Messages are written as protobuf's own library writes them."""

import random
import struct
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from services.gateway.transcoder.api import Rpc
from services.gateway.transcoder.writing import Writer
from tests.fakes.toy_api import toy_api

API = toy_api()
_F = FieldDescriptor
FLOATS = (0.0, -0.0, 1.0, 0.1, -2.5e-7, 1e20, 3.4e38, float("inf"), float("-inf"))


@pytest.mark.parametrize("rpc", API.rpcs, ids=lambda rpc: rpc.full_name)
def test_every_message_is_written_as_by_the_library(rpc: Rpc) -> None:
    """Whatever is set or left out of requests and answers, both say the same."""
    chance = random.Random(rpc.full_name)
    writer = Writer(API.pool)
    for kind in (rpc.request, rpc.response):
        for density in (0.0, 0.4, 0.8, 1.0):
            message = kind()
            _fill(message, chance, density, depth=4)
            assert writer.value(message) == json_format.MessageToDict(
                message,
                always_print_fields_with_no_presence=True,
                preserving_proto_field_name=True,
                descriptor_pool=API.pool,
            )


def _fill(message: Any, chance: random.Random, density: float, depth: int) -> None:
    """Set each field with a probability, to values at the edges of its type."""
    for field in message.DESCRIPTOR.fields:
        if chance.random() > density or depth == 0:
            continue
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            getattr(message, field.name)["key"] = "value"
        elif entry is not None:
            target = getattr(message, field.name)
            inner = target.add() if field.is_repeated else target
            inner.SetInParent()
            _fill_message(inner, chance, density, depth - 1)
        elif field.is_repeated:
            getattr(message, field.name).extend(_value(field, chance) for _ in range(3))
        else:
            setattr(message, field.name, _value(field, chance))


def _fill_message(
    inner: Any, chance: random.Random, density: float, depth: int
) -> None:
    name = inner.DESCRIPTOR.full_name
    if name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
        inner.seconds = chance.choice((0, 1, 1_700_000_000))
        inner.nanos = chance.choice((0, 500_000_000, 123_456_789))
    elif name == "google.protobuf.FieldMask":
        inner.paths.extend(["weight_g", "a.b_c"])
    elif name != "google.protobuf.Any":
        _fill(inner, chance, density, depth)


def _value(field: FieldDescriptor, chance: random.Random) -> Any:
    if field.enum_type is not None:
        return chance.choice([*(each.number for each in field.enum_type.values), 77])
    if field.type == _F.TYPE_STRING:
        return chance.choice(("", "ü\n\u2028", "x"))
    if field.type == _F.TYPE_BYTES:
        return bytes(chance.randrange(256) for _ in range(5))
    if field.type == _F.TYPE_BOOL:
        return chance.random() < 0.5
    if field.cpp_type in (_F.CPPTYPE_FLOAT, _F.CPPTYPE_DOUBLE):
        return _float(field, chance)
    bits = 64 if field.cpp_type in (_F.CPPTYPE_INT64, _F.CPPTYPE_UINT64) else 32
    unsigned = field.cpp_type in (_F.CPPTYPE_UINT32, _F.CPPTYPE_UINT64)
    most = 2**bits - 1 if unsigned else 2 ** (bits - 1) - 1
    return chance.choice((0, 1, most))


def _float(field: FieldDescriptor, chance: random.Random) -> float:
    """Return an edge, or any bits at all that are a number."""
    if chance.random() < 0.5:
        return chance.choice(FLOATS)
    kind, size = ("f", 4) if field.cpp_type == _F.CPPTYPE_FLOAT else ("d", 8)
    value = float("nan")
    while value != value:
        (value,) = struct.unpack(kind, chance.randbytes(size))
    return value
