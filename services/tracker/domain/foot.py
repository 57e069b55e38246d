"""Where the feet of people are in the image, and how far that can be trusted.

Ankles where the detector found them, else the bottom centre of the box. Supported
tracks use their detection as it is: whoever filters positions on the floor must not
get them filtered already. Coasted tracks have nothing but their predicted box.

Distances are in multiples of the box height, which is about 1.7 m of a person.
"""

import numpy as np

from services.tracker.domain import kalman
from services.tracker.domain.arrays import BoolArray, FloatArray
from services.tracker.domain.boxes import covered_share
from services.tracker.domain.frame import FootPoints

_SURE_ANKLE_SCORE = 0.3
_BOTH_ANKLES_SIGMA = 0.02
_ONE_ANKLE_SIGMA = 0.05
_BOX_SIGMA = 0.04
_LEAST_SIGMA_PX = 1.0
_FEET_SHARE = 0.15
"""Lowest part of a box, in which the feet are."""
_BORDER_PX = 2.0
"""A box that ends this near to the border of the frame is taken to be cut by it."""
_CUT_AT_SIDE_VISIBILITY = 0.5
_CUT_AT_SIDE_SIGMA = 0.1
_COASTED_VISIBILITY = 0.1
_COVERED_SIGMA_FACTOR = 2.0


def foot_points(
    boxes_px: FloatArray, ankles_px: FloatArray, frame_size_px: tuple[int, int]
) -> FootPoints:
    """Return the foot points of boxes that a detector found.

    A box cut by the lower border shows no feet unless the ankles were found: its
    visibility is 0. One cut at a side has its centre in the wrong place. Where a nearer
    box covers the feet, the detector guessed the lower edge.

    Args:
        boxes_px: Corners. Shape (N, 4).
        ankles_px: `x, y, score` of both ankles. Shape (N, 2, 3).
        frame_size_px: Width and height of the frame.
    """
    width, height = frame_size_px
    x_min, y_min, x_max, y_max = boxes_px.T
    person = y_max - y_min
    sure = _sure_ankles(boxes_px, ankles_px)
    found = sure.sum(axis=1)
    shown = found > 0

    ankles = np.where(sure[:, :, None], ankles_px, 0.0).sum(axis=1)
    ankles /= np.maximum(found, 1)[:, None]
    bottom = np.stack(((x_min + x_max) / 2, y_max), axis=1)
    points = np.where(shown[:, None], ankles[:, :2], bottom)

    covered = covered_share(_feet_regions(boxes_px), boxes_px)
    cut_below = y_max >= height - _BORDER_PX
    cut_at_side = (x_min <= _BORDER_PX) | (x_max >= width - _BORDER_PX)

    visibility = np.where(shown, ankles[:, 2], 1.0) * (1.0 - covered)
    visibility[~shown & cut_below] = 0.0
    visibility[~shown & cut_at_side] *= _CUT_AT_SIDE_VISIBILITY

    sigma = np.choose(found, (_BOX_SIGMA, _ONE_ANKLE_SIGMA, _BOTH_ANKLES_SIGMA))
    sigma = sigma * (1.0 + _COVERED_SIGMA_FACTOR * covered)
    sigma[~shown & cut_at_side] += _CUT_AT_SIDE_SIGMA
    return FootPoints(points, np.maximum(sigma * person, _LEAST_SIGMA_PX), visibility)


def coasted_foot_points(states: FloatArray) -> FootPoints:
    """Return the foot points of predicted boxes, as uncertain as the prediction.

    Args:
        states: Predicted states of the filter. Shape (N, 5, 4).
    """
    x, y, _, height = states[:, kalman.MEAN].T
    variance = states[:, kalman.VARIANCE]
    of_bottom = variance[:, 1] + variance[:, 3] / 4
    sigma = np.sqrt(np.maximum(variance[:, 0], of_bottom) + (_BOX_SIGMA * height) ** 2)
    return FootPoints(
        np.stack((x, y + height / 2), axis=1),
        np.maximum(sigma, _LEAST_SIGMA_PX),
        np.full(len(states), _COASTED_VISIBILITY),
    )


def _sure_ankles(boxes_px: FloatArray, ankles_px: FloatArray) -> BoolArray:
    """Return which ankles are confident and lie where this person's can be."""
    x_min, y_min, x_max, y_max = (column[:, None] for column in boxes_px.T)
    x, y, score = np.moveaxis(ankles_px, 2, 0)
    aside, below = (x_max - x_min) / 4, (y_max - y_min) / 10
    sure: BoolArray = (
        (score >= _SURE_ANKLE_SCORE)
        & (x >= x_min - aside)
        & (x <= x_max + aside)
        & (y >= (y_min + y_max) / 2)
        & (y <= y_max + below)
    )
    return sure


def _feet_regions(boxes_px: FloatArray) -> FloatArray:
    """Return the corners of the lowest part of each box."""
    regions = boxes_px.copy()
    regions[:, 1] = boxes_px[:, 3] - _FEET_SHARE * (boxes_px[:, 3] - boxes_px[:, 1])
    return regions
