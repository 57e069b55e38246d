"""Frames as a source delivers them, and places in a source."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.common.ids import CameraId

Pixels = npt.NDArray[np.uint8]
"""An image: uint8, shape (height, width, 3), samples in the order R, G, B."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of one camera, ready to be looked at.

    Attributes:
        camera_id: The camera.
        frame_index: Position in the source, counted from 0 over every frame that
            the source delivers, also those that are skipped.
        capture_time_ns: When it was taken, nanoseconds since 1970, UTC; the
            camera's clock offset is already subtracted.
        pixels: The picture after the camera's transform.
        decode_s: Seconds spent on decoding and transforming, skipped frames before
            it included.
        skipped_before: Frames directly before this one that were decoded and
            skipped to keep the camera's rate.
        lost_before: Frames directly before this one, or before those skipped, that
            the source lost.
    """

    camera_id: CameraId
    frame_index: int
    capture_time_ns: int
    pixels: Pixels
    decode_s: float
    skipped_before: int = 0
    lost_before: int = 0


@dataclass(frozen=True, slots=True)
class SourceEnd:
    """What came after the last frame of a source.

    Attributes:
        next_index: Index that the next frame would have had.
        skipped: Frames after the last one that were skipped to keep the rate.
        lost: Frames after the last one that could not be decoded.
    """

    next_index: int
    skipped: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class SourcePosition:
    """A frame that is done with; reading goes on right after it.

    Attributes:
        frame_index: Index of that frame.
        capture_time_ns: Its capture time, nanoseconds since 1970, UTC.
    """

    frame_index: int
    capture_time_ns: int

    def to_bytes(self) -> bytes:
        """Return the position as bytes, to be kept with a commit."""
        return f"{self.frame_index} {self.capture_time_ns}".encode()

    @classmethod
    def from_bytes(cls, state: bytes) -> "SourcePosition":
        """Return the position that `to_bytes` wrote."""
        frame_index, capture_time_ns = state.split()
        return cls(int(frame_index), int(capture_time_ns))


@dataclass(frozen=True, slots=True)
class SeekTarget:
    """A time to read from.

    Attributes:
        capture_time_ns: Reading begins with the first frame taken then or later,
            nanoseconds since 1970, UTC.
    """

    capture_time_ns: int


ReadFrom = SourcePosition | SeekTarget | None
"""Where to begin reading; None is the first frame."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known about a source once it is open.

    Attributes:
        width: Width of its frames after the transform, pixels.
        height: Height of its frames after the transform, pixels.
        rate_hz: Nominal frames per second, as delivered after rate limiting.
        first_capture_time_ns: Capture time of its very first frame, nanoseconds
            since 1970, UTC, wherever reading begins.
        container_frames: Frames that the container states. None when it states
            none.
    """

    width: int
    height: int
    rate_hz: float
    first_capture_time_ns: int
    container_frames: int | None
