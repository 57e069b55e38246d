"""Drawing with OpenCV: text, pills, lines, all anti-aliased, colours RGB."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from demo.palette import Colour
from services.pipeline.domain.frames import Pixels

WHITE: Colour = (255, 255, 255)
INK: Colour = (34, 38, 46)
MUTED: Colour = (110, 118, 130)

_FONT = cv2.FONT_HERSHEY_DUPLEX
_CAP_HEIGHT_PX = 22  # Of the font at scale 1.


def blank(width: int, height: int, colour: Colour) -> Pixels:
    """Return a picture of one colour."""
    return np.full((height, width, 3), colour, np.uint8)


def text_width_px(text: str, height_px: float) -> int:
    """Return how wide a text is when its capitals have this height."""
    (width, _), _ = cv2.getTextSize(text, _FONT, height_px / _CAP_HEIGHT_PX, 1)
    return int(width)


def write(
    picture: Pixels,
    text: str,
    left_px: float,
    base_px: float,
    *,
    height_px: float = 12,
    colour: Colour = INK,
) -> None:
    """Write one line; `base_px` is where its letters stand."""
    at = (round(left_px), round(base_px))
    thickness = max(1, round(height_px / 14))
    scale = height_px / _CAP_HEIGHT_PX
    cv2.putText(picture, text, at, _FONT, scale, colour, thickness, cv2.LINE_AA)


def write_pill(
    picture: Pixels,
    text: str,
    left_px: float,
    bottom_px: float,
    *,
    height_px: float,
    colour: Colour,
) -> None:
    """Write white on a filled box; it is moved inside where it would leave."""
    pad = round(height_px * 0.45)
    width, height = text_width_px(text, height_px) + 2 * pad, round(height_px) + 2 * pad
    left = int(np.clip(left_px, 0, max(0, picture.shape[1] - width)))
    bottom = int(np.clip(bottom_px, height, picture.shape[0]))
    corner, opposite = (left, bottom - height), (left + width, bottom)
    cv2.rectangle(picture, corner, opposite, colour, cv2.FILLED, cv2.LINE_AA)
    base = bottom - pad
    write(picture, text, left + pad, base, height_px=height_px, colour=WHITE)


def line(
    picture: Pixels,
    points_px: npt.ArrayLike | Sequence[tuple[float, float]],
    colour: Colour,
    thickness: int = 1,
    *,
    closed: bool = False,
) -> None:
    """Draw a line through points, shape (N, 2), to a sixteenth of a pixel."""
    shifted = np.rint(np.asarray(points_px, np.float64) * 16).astype(np.int32)
    cv2.polylines(picture, [shifted], closed, colour, thickness, cv2.LINE_AA, shift=4)


def box(
    picture: Pixels,
    edges_px: tuple[float, float, float, float],
    colour: Colour,
    thickness: int,
) -> None:
    """Draw a rectangle by x_min, y_min, x_max, y_max."""
    x_min, y_min, x_max, y_max = (round(edge) for edge in edges_px)
    corner, opposite = (x_min, y_min), (x_max, y_max)
    cv2.rectangle(picture, corner, opposite, colour, thickness, cv2.LINE_AA)


def dot(
    picture: Pixels, at_px: tuple[float, float], radius_px: int, colour: Colour
) -> None:
    """Draw a filled circle."""
    at = (round(at_px[0]), round(at_px[1]))
    cv2.circle(picture, at, radius_px, colour, cv2.FILLED, cv2.LINE_AA)
