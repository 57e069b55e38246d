"""The form in which a stream's state travels with its client.

A mark and a checksum of the rest; the version; a JSON text that says whose state it is,
with its length before it; the tracker's own bytes. Readers of version N also read N-1;
there is only version 1 so far.
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
_SEAL = struct.Struct("<8sI")
_HEAD = struct.Struct("<HI")


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
    content = _HEAD.pack(_VERSION, len(about)) + about + checkpoint.tracker_state
    return _SEAL.pack(_MARK, zlib.crc32(content)) + content


def unpack_checkpoint(packed: bytes, owner: Owner) -> Checkpoint:
    """Return the checkpoint that `pack_checkpoint` was given.

    Args:
        packed: Bytes from a client.
        owner: Whose state they must hold.

    Raises:
        InvalidInput: They are damaged, of a newer version, or somebody else's.
    """
    about, tracker_state = _unsealed(packed)
    try:
        names, order = json.loads(about)
        held = Owner(*names)
        checkpoint = Checkpoint(held, FrameOrder(*order), tracker_state)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"cannot be read: {error}", field=FIELD) from None
    if held != owner:
        raise InvalidInput(
            f"belongs to session {held.session_id!r}, camera {held.camera_id!r} in "
            f"{held.environment_id!r}, tracker {held.tracker!r}",
            field=FIELD,
        )
    return checkpoint


def _unsealed(packed: bytes) -> tuple[bytes, bytes]:
    """Return the JSON text and the tracker's bytes."""
    first = _SEAL.size + _HEAD.size
    if len(packed) < first or not packed.startswith(_MARK):
        raise InvalidInput("is not a checkpoint of this service", field=FIELD)
    _, checksum = _SEAL.unpack_from(packed)
    if zlib.crc32(packed[_SEAL.size :]) != checksum:
        raise InvalidInput("is damaged", field=FIELD)
    version, about_length = _HEAD.unpack_from(packed, _SEAL.size)
    if version != _VERSION:
        raise InvalidInput(
            f"has version {version}; this replica reads {_VERSION}", field=FIELD
        )
    end = first + about_length
    return packed[first:end], packed[end:]
