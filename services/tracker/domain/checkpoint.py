"""The form in which a stream's state travels with its client.

A fixed head (mark, version, lengths, checksum), a JSON object that says whose state it
is, and the tracker's own bytes. Readers of version N also read N-1; there is only
version 1 so far.
"""

import json
import struct
import zlib
from dataclasses import dataclass

from services.common.errors import InvalidInput
from services.tracker.domain.frame_order import FrameOrder

FIELD = "open.checkpoint"
_VERSION = 1
_MARK = b"SpotOnTk"
_HEAD = struct.Struct("<8sHIII")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose state a checkpoint holds.

    Attributes:
        environment_id: Environment of the camera.
        session_id: Session that the tracks belong to.
        camera_id: Camera that the frames come from.
        tracker: Tracker whose state it is.
    """

    environment_id: str
    session_id: str
    camera_id: str
    tracker: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State of a stream between two frames.

    Attributes:
        owner: Whose state it is.
        order: Which frame may come next.
        tracker_state: What the tracker dumped.
    """

    owner: Owner
    order: FrameOrder
    tracker_state: bytes


def pack_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Return a checkpoint as bytes."""
    owner, order = checkpoint.owner, checkpoint.order
    about = json.dumps(
        [
            [owner.environment_id, owner.session_id, owner.camera_id, owner.tracker],
            [order.last_ns, order.last_index, order.jump_ns],
        ]
    ).encode()
    content = about + checkpoint.tracker_state
    head = (_MARK, _VERSION, len(about), len(content), zlib.crc32(content))
    return _HEAD.pack(*head) + content


def unpack_checkpoint(packed: bytes, owner: Owner) -> Checkpoint:
    """Return the checkpoint that `pack_checkpoint` was given.

    Args:
        packed: Bytes from a client.
        owner: Whose state they must hold.

    Raises:
        InvalidInput: They are damaged, of a newer version, or somebody else's.
    """
    about_length, content = _content(packed)
    try:
        names, order = json.loads(content[:about_length])
        held = Owner(*names)
        checkpoint = Checkpoint(held, FrameOrder(*order), content[about_length:])
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"cannot be read: {error}", field=FIELD) from None
    if held != owner:
        raise InvalidInput(
            f"belongs to session {held.session_id!r}, camera {held.camera_id!r} in "
            f"{held.environment_id!r}, tracker {held.tracker!r}",
            field=FIELD,
        )
    return checkpoint


def _content(packed: bytes) -> tuple[int, bytes]:
    """Return the length of the JSON object, and what follows the head."""
    if len(packed) < _HEAD.size or not packed.startswith(_MARK):
        raise InvalidInput("is not a checkpoint of this service", field=FIELD)
    _, version, about_length, length, checksum = _HEAD.unpack_from(packed)
    if version > _VERSION:
        raise InvalidInput(
            f"has version {version}; this replica reads up to {_VERSION}", field=FIELD
        )
    content = packed[_HEAD.size :]
    if len(content) != length or zlib.crc32(content) != checksum:
        raise InvalidInput("is damaged", field=FIELD)
    return about_length, content
