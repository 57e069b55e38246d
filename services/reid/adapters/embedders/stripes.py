"""Horizontal stripes of colour histograms: appearance without weights.

A crop is made grey on average first, each channel by its own gain, so that a fixed
colour shift of a camera changes little. Each stripe then has a histogram of hue
(weighted by saturation), of saturation and of value, all with soft bins, and with its
mean removed, so that unlike histograms point away from each other.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.ids import ModelId
from services.common.images import RgbImage
from services.common.models import PixelOrder
from services.reid.service.embedding import EmbedderModel

WIDTH_PX, HEIGHT_PX = 64, 128
STRIPES = 6
HUE_BINS, SATURATION_BINS, VALUE_BINS = 8, 4, 8
DIMENSIONS = STRIPES * (HUE_BINS + SATURATION_BINS + VALUE_BINS)

# The margins above the head and below the feet show the background.
_TOP, _BOTTOM = 0.08, 0.92
_MEAN_LEVEL = 110.0 / 255.0
# Standard deviations, in widths of the crop: who stands in the middle is the person.
_HISTOGRAM_SIGMA, _GAIN_SIGMA = 0.15, 0.25

Float = NDArray[np.float32]

MODEL = EmbedderModel(
    model_id=ModelId("stripes-hsv-v1"),
    width_px=WIDTH_PX,
    height_px=HEIGHT_PX,
    pixel_order=PixelOrder.RGB,
    dimensions=DIMENSIONS,
    # Half-way between the means of same and different people, see the README.
    match_similarity=0.65,
)


def _columns(sigma: float) -> Float:
    """Return the weight of each column, shape (1, WIDTH_PX)."""
    place = (np.arange(WIDTH_PX) + 0.5) / WIDTH_PX - 0.5
    return np.exp(-0.5 * (place / sigma) ** 2).astype(np.float32)[None, :]


_EDGES = np.linspace(_TOP * HEIGHT_PX, _BOTTOM * HEIGHT_PX, STRIPES + 1).astype(int)
_ROWS = slice(int(_EDGES[0]), int(_EDGES[-1]))
_STRIPE = (np.searchsorted(_EDGES, np.arange(_EDGES[0], _EDGES[-1]), side="right") - 1)[
    :, None
]
_GAIN_WEIGHT = np.broadcast_to(_columns(_GAIN_SIGMA), (HEIGHT_PX, WIDTH_PX))
_WEIGHT = np.broadcast_to(
    _columns(_HISTOGRAM_SIGMA), (_ROWS.stop - _ROWS.start, WIDTH_PX)
)


class StripesEmbedder:
    """Computes colour stripes on the CPU."""

    model = MODEL
    max_batch = 64

    def embed(self, batch: Sequence[RgbImage]) -> Float:
        """Return the vectors of crops, float32, shape (N, DIMENSIONS), unit length."""
        return np.stack([_describe(crop) for crop in batch])


def _describe(crop: RgbImage) -> Float:
    """Return the vector of one crop."""
    pixels: NDArray[Any] = crop
    if crop.shape[:2] != (HEIGHT_PX, WIDTH_PX):
        pixels = cv2.resize(crop, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    levels = pixels.astype(np.float32) / np.float32(255.0)
    mean = np.tensordot(_GAIN_WEIGHT, levels, 2) / _GAIN_WEIGHT.sum()
    gained = np.clip(levels * (_MEAN_LEVEL / np.maximum(mean, 0.01)), 0.0, 1.0)
    hsv = cv2.cvtColor(gained.astype(np.float32)[_ROWS], cv2.COLOR_RGB2HSV)
    hue, saturation, value = hsv[..., 0] / 360.0, hsv[..., 1], hsv[..., 2]
    parts = (
        _histogram(hue, HUE_BINS, _WEIGHT * saturation, circular=True),
        _histogram(saturation, SATURATION_BINS, _WEIGHT, circular=False),
        _histogram(value, VALUE_BINS, _WEIGHT, circular=False),
    )
    vector = np.concatenate(parts, axis=1).ravel()
    # A plain crop has equal histograms in all stripes, but never flat ones: its
    # value falls into at most two bins. So the length is never zero.
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _histogram(
    levels: Float, bins: int, weight: Float, *, circular: bool
) -> NDArray[np.float64]:
    """Return each stripe's share per bin without its mean, shape (STRIPES, bins).

    Args:
        levels: Values in [0, 1], shape (rows, WIDTH_PX).
        bins: Number of bins; a value is shared by the two nearest.
        weight: Weight of each pixel.
        circular: Whether the last bin is the first one's neighbour.
    """
    place = levels * bins - 0.5
    low = np.floor(place).astype(np.int64)
    share = place - low
    if circular:
        first, second = low % bins, (low + 1) % bins
    else:
        first, second = np.clip(low, 0, bins - 1), np.clip(low + 1, 0, bins - 1)
    size = STRIPES * bins
    counts = np.bincount(
        (_STRIPE * bins + first).ravel(), (weight * (1.0 - share)).ravel(), size
    ) + np.bincount((_STRIPE * bins + second).ravel(), (weight * share).ravel(), size)
    area = np.bincount(
        np.broadcast_to(_STRIPE, levels.shape).ravel(), _WEIGHT.ravel(), STRIPES
    )
    shares = counts.reshape(STRIPES, bins) / area[:, None]
    centred: NDArray[np.float64] = shares - shares.mean(axis=1, keepdims=True)
    return centred
