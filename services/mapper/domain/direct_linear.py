"""The normalised direct linear transformation (H&Z algorithm 4.2), in batches."""

import numpy as np

from services.mapper.domain.homography import FloatArray


def direct_linear(image_px: FloatArray, floor_m: FloatArray) -> FloatArray:
    """Solve for homographies, one for each set of points.

    Args:
        image_px: float64, shape (K, M, 2), image frame, M >= 4.
        floor_m: float64, shape (K, M, 2), floor frame.

    Returns:
        float64, shape (K, 3, 3), pixels to metres, positive in the third coordinate
        at the first point of the set.
    """
    to_unit_px = normalisation(image_px)
    to_unit_m = normalisation(floor_m)
    equations = _equations(
        _transformed(to_unit_px, image_px), _transformed(to_unit_m, floor_m)
    )
    solutions = np.linalg.svd(equations)[2][:, -1].reshape(-1, 3, 3)
    matrices = np.linalg.inv(to_unit_m) @ solutions @ to_unit_px
    matrices /= np.abs(matrices).max(axis=(1, 2), keepdims=True)
    depth = _homogeneous(matrices, image_px)[:, 0, 2]
    oriented: FloatArray = matrices * np.where(depth < 0, -1.0, 1.0)[:, None, None]
    return oriented


def floor_distances_m(
    matrices: FloatArray, image_px: FloatArray, floor_m: FloatArray
) -> FloatArray:
    """Return how far from the given point each point is mapped, metres.

    Args:
        matrices: float64, shape (..., 3, 3), pixels to metres, positive in the third
            coordinate in front of the horizon.
        image_px: float64, shape (N, 2), image frame.
        floor_m: float64, shape (N, 2), floor frame.

    Returns:
        float64, shape (..., N); infinite on and beyond the horizon.
    """
    mapped = _homogeneous(matrices, image_px)
    depth = mapped[..., 2]
    front = depth > 0
    safe = np.where(front, depth, 1.0)
    offset_m = mapped[..., :2] / safe[..., None] - floor_m
    distances: FloatArray = np.where(front, np.linalg.norm(offset_m, axis=-1), np.inf)
    return distances


def equation_condition(image_px: FloatArray, floor_m: FloatArray) -> float:
    """Return the condition number of the normalised equations.

    It is the ratio of the largest singular value to the eighth: the ninth belongs to
    the solution.

    Args:
        image_px: float64, shape (N, 2), image frame, N >= 4.
        floor_m: float64, shape (N, 2), floor frame.
    """
    unit_px = _transformed(normalisation(image_px[None]), image_px[None])
    unit_m = _transformed(normalisation(floor_m[None]), floor_m[None])
    singular = np.linalg.svd(_equations(unit_px, unit_m)[0], compute_uv=False)
    return float(singular[0] / singular[7])


def normalisation(points: FloatArray) -> FloatArray:
    """Return similarities that move points to the origin, at mean distance sqrt(2).

    Args:
        points: float64, shape (K, M, 2), not all the same.

    Returns:
        float64, shape (K, 3, 3).
    """
    centre = points.mean(axis=1)
    spread = np.linalg.norm(points - centre[:, None], axis=2).mean(axis=1)
    scale = np.sqrt(2.0) / spread
    similarities = np.zeros((len(points), 3, 3))
    similarities[:, 0, 0] = similarities[:, 1, 1] = scale
    similarities[:, :2, 2] = -centre * scale[:, None]
    similarities[:, 2, 2] = 1.0
    return similarities


def _equations(image: FloatArray, floor: FloatArray) -> FloatArray:
    """Return the rows of H&Z eq. 4.3, shape (K, 2 M, 9)."""
    u, v = image[..., 0], image[..., 1]
    x, y = floor[..., 0], floor[..., 1]
    one, zero = np.ones_like(u), np.zeros_like(u)
    first = np.stack([u, v, one, zero, zero, zero, -x * u, -x * v, -x], axis=-1)
    second = np.stack([zero, zero, zero, u, v, one, -y * u, -y * v, -y], axis=-1)
    return np.concatenate([first, second], axis=1)


def _homogeneous(matrices: FloatArray, points: FloatArray) -> FloatArray:
    """Map points of shape (..., N, 2) without dividing; shape (..., N, 3)."""
    turned = np.swapaxes(matrices, -1, -2)
    mapped: FloatArray = points @ turned[..., :2, :] + turned[..., 2:, :]
    return mapped


def _transformed(similarities: FloatArray, points: FloatArray) -> FloatArray:
    return _homogeneous(similarities, points)[..., :2]
