"""How messages are written to viewers: JSON or protobuf, framed once for all."""

import struct
from enum import StrEnum

from google.protobuf import json_format

from services.gateway.json_text import json_bytes
from spoton.live.v1 import live_pb2

_FINAL_TEXT, _FINAL_BINARY = 0x81, 0x82
_SHORT, _LONG, _LONGER = 125, 126, 127


class Form(StrEnum):
    """A representation, by the name of its WebSocket subprotocol."""

    JSON = "spoton.json.v1"
    PROTOBUF = "spoton.protobuf.v1"


def framed(message: live_pb2.LiveMessage, form: Form) -> bytes:
    """Return a whole WebSocket frame, ready to be written to any number of viewers."""
    if form is Form.PROTOBUF:
        return frame(message.SerializeToString(), text=False)
    return frame(json_of(message), text=True)


def json_of(message: live_pb2.LiveMessage) -> bytes:
    """Return a message as JSON, by the rules that all answers follow."""
    return json_bytes(
        json_format.MessageToDict(
            message,
            always_print_fields_with_no_presence=True,
            preserving_proto_field_name=True,
        )
    )


def frame(payload: bytes, *, text: bool) -> bytes:
    r"""Return a payload as one unmasked WebSocket frame (RFC 6455, section 5.2).

    >>> frame(b"hi", text=True)
    b'\x81\x02hi'
    """
    first, length = _FINAL_TEXT if text else _FINAL_BINARY, len(payload)
    if length <= _SHORT:
        return struct.pack("!BB", first, length) + payload
    if length < 1 << 16:
        return struct.pack("!BBH", first, _LONG, length) + payload
    return struct.pack("!BBQ", first, _LONGER, length) + payload
