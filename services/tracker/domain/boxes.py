"""Geometry of boxes in an image.

Corners are `x_min, y_min, x_max, y_max`, pixels, origin top-left, y downwards.
"""

import numpy as np

from services.tracker.domain.arrays import FloatArray, IntArray


def centre_size_from_corners(corners_px: FloatArray) -> FloatArray:
    """Return `x_centre, y_centre, width, height` of boxes.

    Args:
        corners_px: Corners. Shape (N, 4).

    >>> centre_size_from_corners(np.array([[0.0, 10.0, 4.0, 20.0]]))
    array([[ 2., 15.,  4., 10.]])
    """
    low, high = corners_px[:, :2], corners_px[:, 2:]
    return np.concatenate(((low + high) / 2, high - low), axis=1)


def corners_from_centre_size(centre_size_px: FloatArray) -> FloatArray:
    """Return the corners of boxes; the inverse of `centre_size_from_corners`."""
    centre, half = centre_size_px[:, :2], centre_size_px[:, 2:] / 2
    return np.concatenate((centre - half, centre + half), axis=1)


def clip_to_frame(corners_px: FloatArray, frame_size_px: tuple[int, int]) -> FloatArray:
    """Return the parts of boxes that lie inside a frame of width, height."""
    width, height = frame_size_px
    return np.clip(corners_px, 0.0, (width, height, width, height))


def overlap(
    tracks_px: FloatArray, detections_px: FloatArray, margin_px: FloatArray
) -> FloatArray:
    """Return how much boxes overlap when a track may have moved a little further.

    Intersection over union of both boxes after the margin of the track was added on
    every side (C-BIoU, Yang et al. 2023, equation 2, with the margin in pixels). With
    margin 0 it is the ordinary measure; with a wider one, boxes that are near each
    other still differ in their overlap although they no longer touch.

    Args:
        tracks_px: Corners. Shape (N, 4).
        detections_px: Corners. Shape (M, 4).
        margin_px: Margin of each track. Shape (N,).

    Returns:
        Overlaps in [0, 1]. Shape (N, M).
    """
    margin = 2 * margin_px[:, None]
    tracks, detections = tracks_px.T[:, :, None], detections_px.T[:, None, :]
    across = np.minimum(tracks[2], detections[2]) - np.maximum(tracks[0], detections[0])
    down = np.minimum(tracks[3], detections[3]) - np.maximum(tracks[1], detections[1])
    shared = np.maximum(across + margin, 0.0) * np.maximum(down + margin, 0.0)
    total = _area(tracks, margin) + _area(detections, margin) - shared
    overlaps: FloatArray = shared / total
    return overlaps


def _area(corners_px: FloatArray, growth_px: FloatArray) -> FloatArray:
    """Return areas of boxes whose width and height grew. Corners come first."""
    width = corners_px[2] - corners_px[0] + growth_px
    height = corners_px[3] - corners_px[1] + growth_px
    area: FloatArray = width * height
    return area


def covered_share(regions_px: FloatArray, boxes_px: FloatArray) -> FloatArray:
    """Return the largest share of regions that one nearer box covers.

    On a floor seen from above, the nearer of two people stands lower in the image.

    Args:
        regions_px: Corners of a part of each box, or of several. Shape (..., N, 4).
        boxes_px: Corners of the boxes themselves. Shape (N, 4).

    Returns:
        Shares in [0, 1]. Shape (..., N).
    """
    size = regions_px[..., 2:] - regions_px[..., :2]
    largest = np.zeros(regions_px.shape[:-1])
    rows, columns = _covering_pairs(boxes_px)
    if len(rows):
        regions, boxes = regions_px[..., rows, :], boxes_px[columns]
        low = np.maximum(regions[..., :2], boxes[:, :2])
        high = np.minimum(regions[..., 2:], boxes[:, 2:])
        sides = np.maximum(high - low, 0.0)
        shared = sides[..., 0] * sides[..., 1]
        firsts = np.diff(rows, prepend=-1).nonzero()[0]
        largest[..., rows[firsts]] = np.maximum.reduceat(shared, firsts, axis=-1)
    return largest / np.maximum(size[..., 0] * size[..., 1], 1e-9)


def _covering_pairs(boxes_px: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the pairs of a box, ascending, and a nearer one that touches it.

    In a crowd they are few among all pairs.
    """
    x_min, y_min, x_max, y_max = boxes_px.T
    touching = y_max > y_max[:, None]
    touching &= y_min < y_max[:, None]
    touching &= x_min < x_max[:, None]
    touching &= x_max > x_min[:, None]
    rows, columns = touching.nonzero()
    return rows, columns
