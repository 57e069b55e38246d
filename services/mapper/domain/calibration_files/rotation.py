"""Rotations: from vectors, and checked."""

import numpy as np

from services.mapper.domain.homography import FloatArray

_TOLERANCE = 1e-3


def rotation_of(vector: FloatArray) -> FloatArray:
    """Return the rotation about a vector by its length in radians (Rodrigues).

    Args:
        vector: float64, shape (3,).

    Returns:
        float64, shape (3, 3).

    >>> rotation_of(np.array([0.0, 0.0, np.pi / 2])).round(6).tolist()
    [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    angle = float(np.linalg.norm(vector))
    if angle == 0:
        return np.eye(3)
    x, y, z = vector / angle
    across = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    rotation: FloatArray = (
        np.eye(3) + np.sin(angle) * across + (1 - np.cos(angle)) * across @ across
    )
    return rotation


def is_rotation(matrix: FloatArray) -> bool:
    """Return whether a 3x3 matrix turns without stretching or mirroring."""
    off = np.abs(matrix @ matrix.T - np.eye(3)).max()
    return bool(off < _TOLERANCE and np.linalg.det(matrix) > 0)
