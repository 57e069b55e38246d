"""Where the feet of people are in the image, and how far that can be trusted.

Below the ankles where the detector found them, else the bottom centre of the box:
ankles are no contact with the floor, and taken for one they put everybody too far from
the camera, so that cameras on opposite sides disagree by twice of that. Supported
tracks use their detection as it is: whoever filters positions on the floor must not
get them filtered already. Coasted tracks have nothing but their predicted box.

Distances are in multiples of the box height, which is about 1.7 m of a person.
"""

import numpy as np

from services.tracker.domain import kalman
from services.tracker.domain.arrays import BoolArray, FloatArray
from services.tracker.domain.frame import FootPoints

_SURE_ANKLE_SCORE = 0.3
_ANKLE_HEIGHT = 0.039
"""Above the floor (Drillis and Contini, Body Segment Parameters, 1966)."""
_BOTH_ANKLES_SIGMA = 0.02
_ONE_ANKLE_SIGMA = 0.05
_BOX_SIGMA = 0.04
_LEAST_SIGMA_PX = 1.0
_FEET_SHARE = 0.15
"""Lowest part of a box, in which the feet are."""
_BORDER_PX = 2.0
"""A box that ends this near to the border of the frame is taken to be cut by it."""
_CUT_AT_SIDE_VISIBILITY = 0.5
_CUT_AT_SIDE_SIGMA = 0.15
_COASTED_VISIBILITY = 0.1
_DRIFT_PER_S = 0.7
"""Of a person whose speed nobody filtered: about 1.2 m/s."""
_COVERED_SIGMA_FACTOR = 2.0


def feet_regions(boxes_px: FloatArray) -> FloatArray:
    """Return the corners of the lowest part of each box, where the feet are."""
    regions = boxes_px.copy()
    regions[:, 1] += (1.0 - _FEET_SHARE) * (boxes_px[:, 3] - boxes_px[:, 1])
    return regions


def foot_points(
    boxes_px: FloatArray,
    ankles_px: FloatArray,
    feet_covered: FloatArray,
    frame_size_px: tuple[int, int],
) -> FootPoints:
    """Return the foot points of boxes that a detector found.

    A box cut by the lower border shows no feet unless the ankles were found: its
    visibility is 0. One cut at a side has its centre in the wrong place. Where a nearer
    box covers the feet, the detector guessed the lower edge.

    Args:
        boxes_px: Corners. Shape (N, 4).
        ankles_px: `x, y, score` of both ankles. Shape (N, 2, 3).
        feet_covered: Share of `feet_regions` that a nearer box covers. Shape (N,).
        frame_size_px: Width and height of the frame.
    """
    x_min, y_min, x_max, y_max = boxes_px.T
    cut_below = y_max >= frame_size_px[1] - _BORDER_PX
    cut_at_side = (x_min <= _BORDER_PX) | (x_max >= frame_size_px[0] - _BORDER_PX)
    points = np.empty((len(boxes_px), 2))
    points[:, 0] = (x_min + x_max) / 2
    points[:, 1] = y_max
    visibility = np.where(cut_at_side, _CUT_AT_SIDE_VISIBILITY, 1.0)
    visibility[cut_below] = 0.0
    sigma = np.where(cut_at_side, _CUT_AT_SIDE_SIGMA, _BOX_SIGMA)

    sure = _sure_ankles(boxes_px, ankles_px)
    if sure.any():
        count = sure.sum(axis=1)
        rows = count.nonzero()[0]
        ankles = np.where(sure[rows, :, None], ankles_px[rows], 0.0).sum(axis=1)
        found = count[rows]
        points[rows] = ankles[:, :2] / found[:, None]
        points[rows, 1] += _ANKLE_HEIGHT * (y_max - y_min)[rows]
        visibility[rows] = ankles[:, 2] / found
        sigma[rows] = np.where(found == 2, _BOTH_ANKLES_SIGMA, _ONE_ANKLE_SIGMA)

    visibility *= 1.0 - feet_covered
    sigma *= (1.0 + _COVERED_SIGMA_FACTOR * feet_covered) * (y_max - y_min)
    return FootPoints(points, np.maximum(sigma, _LEAST_SIGMA_PX), visibility)


def coasted_foot_points(states: FloatArray) -> FootPoints:
    """Return the foot points of predicted boxes, as uncertain as the prediction.

    Args:
        states: Predicted states of the filter. Shape (N, 5, 4).
    """
    x, y, _, height = states[:, kalman.MEAN].T
    variance = states[:, kalman.VARIANCE]
    of_bottom = variance[:, 1] + variance[:, 3] / 4
    sigma = np.sqrt(np.maximum(variance[:, 0], of_bottom) + (_BOX_SIGMA * height) ** 2)
    points = np.array((x, y + height / 2)).T
    visibility = np.full(len(states), _COASTED_VISIBILITY)
    return FootPoints(points, np.maximum(sigma, _LEAST_SIGMA_PX), visibility)


def drifted_foot_points(boxes_px: FloatArray, unseen_s: FloatArray) -> FootPoints:
    """Return the foot points of predicted boxes of unknown uncertainty.

    Args:
        boxes_px: Corners. Shape (N, 4).
        unseen_s: Time since each was seen, seconds. Shape (N,).
    """
    x_min, y_min, x_max, y_max = boxes_px.T
    sigma = np.hypot(_BOX_SIGMA, _DRIFT_PER_S * unseen_s) * (y_max - y_min)
    points = np.array(((x_min + x_max) / 2, y_max)).T
    visibility = np.full(len(boxes_px), _COASTED_VISIBILITY)
    return FootPoints(points, np.maximum(sigma, _LEAST_SIGMA_PX), visibility)


def _sure_ankles(boxes_px: FloatArray, ankles_px: FloatArray) -> BoolArray:
    """Return which ankles are confident and lie where this person's can be."""
    sure: BoolArray = ankles_px[:, :, 2] >= _SURE_ANKLE_SCORE
    if sure.any():
        x_min, y_min, x_max, y_max = boxes_px.T[:, :, None]
        x, y = ankles_px[:, :, 0], ankles_px[:, :, 1]
        aside, below = (x_max - x_min) / 4, (y_max - y_min) / 10
        sure &= (x >= x_min - aside) & (x <= x_max + aside)
        sure &= (y >= (y_min + y_max) / 2) & (y <= y_max + below)
    return sure
