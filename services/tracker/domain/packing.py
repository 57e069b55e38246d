"""Arrays as bytes, little-endian, without anything that could run on reading.

Each array is a letter for its type, the number of its dimensions, the dimensions, and
its values row by row.
"""

import struct
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.common.errors import InvalidInput

_TYPES = {
    "d": "<f8",
    "f": "<f4",
    "e": "<f2",
    "q": "<i8",
    "i": "<i4",
    "B": "|u1",
    "?": "|b1",
}
_LETTERS = {np.dtype(name): letter for letter, name in _TYPES.items()}
_HEAD = struct.Struct("<cB")


def pack_arrays(arrays: Sequence[NDArray[Any]]) -> bytes:
    """Return arrays of the types above as bytes.

    Raises:
        TypeError: One is of another type.
    """
    parts = []
    for array in arrays:
        letter = _LETTERS.get(array.dtype.newbyteorder("<"))
        if letter is None:
            raise TypeError(f"cannot be packed: {array.dtype}")
        parts.append(_HEAD.pack(letter.encode(), array.ndim))
        parts.append(struct.pack(f"<{array.ndim}I", *array.shape))
        parts.append(array.astype(_TYPES[letter], copy=False).tobytes())
    return b"".join(parts)


def unpack_arrays(packed: bytes) -> list[NDArray[Any]]:
    """Return the arrays that `pack_arrays` was given.

    Raises:
        InvalidInput: The bytes are truncated or of another format.
    """
    arrays, offset = [], 0
    while offset < len(packed):
        array, offset = _unpack_array(packed, offset)
        arrays.append(array)
    return arrays


def _unpack_array(packed: bytes, offset: int) -> tuple[NDArray[Any], int]:
    """Return the array that begins at an offset, and where the next one does."""
    try:
        letter, dimensions = _HEAD.unpack_from(packed, offset)
        offset += _HEAD.size
        shape = struct.unpack_from(f"<{dimensions}I", packed, offset)
        offset += 4 * dimensions
        dtype = np.dtype(_TYPES[letter.decode("latin-1")])
        end = offset + prod(shape) * dtype.itemsize
        values = np.frombuffer(packed[offset:end], dtype)
        return values.reshape(shape).astype(dtype.newbyteorder("=")), end
    except (struct.error, KeyError, ValueError) as error:
        raise InvalidInput(f"holds no arrays: {error}") from None
