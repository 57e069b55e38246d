"""Turn pictures that strangers sent into arrays, or refuse them.

What a file claims about itself is read from its header and checked before a single
pixel is decoded, so a picture that claims to be huge costs nothing.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.errors import InvalidInput

RgbImage = NDArray[np.uint8]
"""Pixels, uint8, shape (height, width, 3), RGB order; possibly a read-only view."""

MAX_SIDE_PX = 16_384
"""Longest side that the protos allow."""

DEFAULT_MAX_PIXELS = 40_000_000
"""Enough for 8K video; 120 MB decoded."""

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_JPEG_MAGIC = b"\xff\xd8\xff"
# What ends a run of entropy-coded data: a marker that is no stuffing, no restart.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9


@dataclass(frozen=True, slots=True)
class _Header:
    """What a file says about itself.

    Attributes:
        width: Claimed width, pixels.
        height: Claimed height, pixels.
        complete: Whether the file goes on to its declared end.
    """

    width: int
    height: int
    complete: bool


def decode_image(
    encoded: bytes, *, field: str, max_pixels: int = DEFAULT_MAX_PIXELS
) -> RgbImage:
    """Decode a JPEG, PNG or WebP file.

    An orientation that the file states (EXIF) is applied. Transparency is dropped.

    Args:
        encoded: The file.
        field: Path of the request field that holds it.
        max_pixels: Largest claim of width times height that is decoded.

    Raises:
        InvalidInput: It is empty, no such file, cut short, or too large.
    """
    if not encoded:
        raise InvalidInput("is empty", field=field)
    header = _read_header(encoded)
    if header is None:
        raise InvalidInput("is not a JPEG, PNG or WebP file", field=field)
    check_size(header.width, header.height, field=field, max_pixels=max_pixels)
    if not header.complete:
        raise InvalidInput("is cut short", field=field)
    try:
        file = np.frombuffer(encoded, np.uint8)
        pixels = cv2.imdecode(file, cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise InvalidInput("is a damaged picture", field=field)
    return np.asarray(pixels, np.uint8)


def view_raw(
    pixels: bytes, *, width: int, height: int, bgr: bool, field: str
) -> RgbImage:
    """Look at uncompressed pixels as an array, without copying them.

    Args:
        pixels: Rows of three bytes a pixel, without padding.
        width: Pixels in a row.
        height: Number of rows.
        bgr: Whether the samples are in the order blue, green, red.
        field: Path of the request field that holds the pixels.

    Returns:
        A read-only view in RGB order.

    Raises:
        InvalidInput: The length does not fit the size.
    """
    expected = 3 * width * height
    if len(pixels) != expected:
        raise InvalidInput(
            f"{width} x {height} pixels take {expected} bytes; got {len(pixels)}",
            field=field,
        )
    samples = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
    return samples[..., ::-1] if bgr else samples


def check_size(width: int, height: int, *, field: str, max_pixels: int) -> None:
    """Return if an image of this size may be handled.

    Raises:
        InvalidInput: A side is outside [1, MAX_SIDE_PX], or the area is too large.
    """
    if not (1 <= width <= MAX_SIDE_PX and 1 <= height <= MAX_SIDE_PX):
        raise InvalidInput(
            f"each side must be 1 to {MAX_SIDE_PX} pixels; got {width} x {height}",
            field=field,
        )
    if width * height > max_pixels:
        raise InvalidInput(
            f"must have at most {max_pixels} pixels; got {width} x {height}",
            field=field,
        )


def _read_header(encoded: bytes) -> _Header | None:
    """Return the claims of a file, or None if it is of no known format."""
    try:
        if encoded.startswith(_JPEG_MAGIC):
            return _read_jpeg(encoded)
        if encoded.startswith(_PNG_MAGIC):
            return _read_png(encoded)
        if encoded[:4] == b"RIFF" and encoded[8:12] == b"WEBP":
            return _read_webp(encoded)
    except (struct.error, IndexError):
        return None
    return None


def _read_jpeg(encoded: bytes) -> _Header | None:
    """Read the frame header and look for the end marker (ITU-T T.81, annex B)."""
    size: tuple[int, int] | None = None
    complete = False
    for marker, position in _jpeg_segments(encoded):
        if marker in _JPEG_FRAMES and size is None:
            height, width = struct.unpack_from(">HH", encoded, position + 5)
            size = (width, height)
        complete = marker == _JPEG_END
    return _Header(*size, complete) if size else None


def _jpeg_segments(encoded: bytes) -> Iterator[tuple[int, int]]:
    """Yield the code and the position of each marker, up to the end of the image."""
    found = _JPEG_MARKER.search(encoded, 2)
    while found:
        marker, position = encoded[found.start() + 1], found.start()
        if marker != _JPEG_END and position + 4 > len(encoded):
            return
        yield marker, position
        if marker == _JPEG_END:
            return
        (length,) = struct.unpack_from(">H", encoded, position + 2)
        found = _JPEG_MARKER.search(encoded, position + 2 + length)


def _read_png(encoded: bytes) -> _Header | None:
    """Read the IHDR chunk and walk the chunks to IEND (W3C PNG, section 5)."""
    if encoded[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", encoded, 16)
    position = len(_PNG_MAGIC)
    while position + 12 <= len(encoded):
        (length,) = struct.unpack_from(">I", encoded, position)
        if encoded[position + 4 : position + 8] == b"IEND":
            return _Header(width, height, complete=True)
        position += 12 + length
    return _Header(width, height, complete=False)


def _read_webp(encoded: bytes) -> _Header | None:
    """Read the first chunk and compare the container's length (RFC 9649)."""
    (riff_length,) = struct.unpack_from("<I", encoded, 4)
    complete = len(encoded) >= 8 + riff_length
    chunk = encoded[12:16]
    if chunk == b"VP8X":
        width = 1 + int.from_bytes(encoded[24:27], "little")
        height = 1 + int.from_bytes(encoded[27:30], "little")
    elif chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", encoded, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif chunk == b"VP8 ":
        width, height = (
            side & 0x3FFF for side in struct.unpack_from("<HH", encoded, 26)
        )
    else:
        return None
    return _Header(width, height, complete)
