"""What travels with the client, and what is refused."""

import struct
import zlib
from functools import cache

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from services.common.errors import Conflict, InvalidInput
from services.tracker.domain.checkpoint import (
    Checkpoint,
    Owner,
    pack_checkpoint,
    unpack_checkpoint,
)
from services.tracker.domain.frame_order import LONGEST_JUMP_NS, FrameOrder
from services.tracker.domain.native import NativeTracker
from tests.unit.tracker.scenes import Crowd, settings, take

OWNER = Owner("plaza", "session-1", "left", "native")
CHECKPOINT = Checkpoint(OWNER, FrameOrder(17, 3, None), b"state")


def test_a_checkpoint_comes_back_as_it_was() -> None:
    """Packing loses nothing."""
    assert unpack_checkpoint(pack_checkpoint(CHECKPOINT), OWNER) == CHECKPOINT


@pytest.mark.parametrize(
    "other",
    [
        Owner("harbour", "session-1", "left", "native"),
        Owner("plaza", "session-2", "left", "native"),
        Owner("plaza", "session-1", "right", "native"),
        Owner("plaza", "session-1", "left", "boxmot:bytetrack"),
    ],
)
def test_somebody_elses_checkpoint_is_refused(other: Owner) -> None:
    """Environment, session, camera and tracker must all agree."""
    with pytest.raises(InvalidInput, match="belongs to"):
        unpack_checkpoint(pack_checkpoint(CHECKPOINT), other)


def test_a_newer_version_is_refused() -> None:
    """A replica that is behind says so, and does not guess."""
    packed = bytearray(pack_checkpoint(CHECKPOINT))
    struct.pack_into("<H", packed, 12, 2)
    struct.pack_into("<I", packed, 8, zlib.crc32(packed[12:]))
    with pytest.raises(InvalidInput, match="version 2"):
        unpack_checkpoint(bytes(packed), OWNER)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(junk: bytes) -> None:
    """Bytes that are no checkpoint are an invalid input, nothing worse."""
    with pytest.raises(InvalidInput):
        unpack_checkpoint(junk, OWNER)


@given(position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_one_damaged_byte_is_noticed(position: int, flip: int) -> None:
    """No byte of a checkpoint can change without notice."""
    packed = bytearray(pack_checkpoint(CHECKPOINT))
    packed[position % len(packed)] ^= flip
    with pytest.raises(InvalidInput):
        unpack_checkpoint(bytes(packed), OWNER)


@cache
def _dump() -> bytes:
    """Return the state of a tracker in the middle of a scene."""
    tracker = NativeTracker(settings())
    for scene in Crowd(seed=1, people=5, frames=8).detections():
        take(tracker, scene)
    return tracker.dump()


@limits(max_examples=30)
@given(length=st.integers(0, 10_000))
def test_a_truncated_state_is_refused(length: int) -> None:
    """A tracker loads a whole state or none."""
    dump = _dump()
    with pytest.raises(InvalidInput):
        NativeTracker(settings()).load(dump[: length % len(dump)])


@given(position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_forged_state_does_no_harm(position: int, flip: int) -> None:
    """A changed state is loaded whole or refused, and then nothing is changed."""
    packed = bytearray(_dump())
    packed[position % len(packed)] ^= flip
    tracker = NativeTracker(settings())
    try:
        tracker.load(bytes(packed))
    except InvalidInput:
        assert tracker.dump() == NativeTracker(settings()).dump()


def test_frames_must_come_in_order_of_time() -> None:
    """A frame out of order or twice is a conflict."""
    order = FrameOrder()
    order.require_next(1_000)
    order.note_used(1_000, 0)
    for time_ns in (1_000, 999):
        with pytest.raises(Conflict, match="later than frame 0"):
            order.require_next(time_ns)


def test_one_frame_from_the_future_does_not_stop_the_present() -> None:
    """The next proper frame is taken as if nothing had happened."""
    order = FrameOrder(last_ns=0, last_index=1)
    with pytest.raises(InvalidInput, match="after frame 1"):
        order.require_next(2 * LONGEST_JUMP_NS)
    order.require_next(40)


def test_a_jump_is_believed_when_the_next_frame_goes_on_from_there() -> None:
    """A camera that was away for hours is taken back with its second frame."""
    order = FrameOrder(last_ns=0, last_index=1)
    with pytest.raises(InvalidInput):
        order.require_next(2 * LONGEST_JUMP_NS)
    order.require_next(2 * LONGEST_JUMP_NS + 40)
    with pytest.raises(InvalidInput):
        FrameOrder(0, 1, 5 * LONGEST_JUMP_NS).require_next(2 * LONGEST_JUMP_NS)
