"""Pictures, good ones and hostile ones."""

import struct
import zlib

import cv2
import numpy as np


def encoded(pixels: np.ndarray, extension: str = ".png") -> bytes:
    """Return a picture as a file."""
    return cv2.imencode(extension, pixels)[1].tobytes()


def jpeg(level: int = 90) -> bytes:
    """Return a small picture."""
    return encoded(np.full((64, 32, 3), level, np.uint8), ".jpg")


def huge_png() -> bytes:
    """Return a PNG whose header claims 30,000 x 30,000 pixels."""
    file = encoded(np.zeros((50, 50, 3), np.uint8))
    header = b"IHDR" + struct.pack(">II", 30_000, 30_000) + file[24:29]
    return file[:12] + header + struct.pack(">I", zlib.crc32(header)) + file[33:]


HOSTILE_FILES = {
    "empty": b"",
    "no image": b"no image at all",
    "truncated": jpeg()[:-30],
    "huge": huge_png(),
}
"""Files that are no usable picture, by what is wrong with them."""
