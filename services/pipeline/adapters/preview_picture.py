"""Pictures for people to look at: scaled, blurred, drawn over and encoded."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from services.common.head_blur import Region, blur_regions
from services.pipeline.adapters.pixels import resized
from services.pipeline.domain.frames import Pixels
from services.pipeline.domain.preview import PictureClass

_GOLDEN_RATIO = 0.618033988749895
_UNKNOWN_COLOUR = (190, 190, 190)
_FONT = cv2.FONT_HERSHEY_SIMPLEX

Colour = tuple[int, int, int]
"""Red, green, blue, each 0 to 255."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A person in a picture.

    Attributes:
        box: Where, pixels of the full frame.
        global_id: Who; 0 when that is not known.
        label: What to write at the box; may be empty.
        predicted: Whether no detection supports the box.
    """

    box: Region
    global_id: int
    label: str
    predicted: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture.

    Attributes:
        jpeg: JPEG file.
        width: Its width, pixels.
        height: Its height, pixels.
    """

    jpeg: bytes
    width: int
    height: int


def colour_of(global_id: int) -> Colour:
    """Return a colour that neighbouring ids do not share; grey for an unknown one.

    >>> colour_of(0)
    (190, 190, 190)
    """
    if not global_id:
        return _UNKNOWN_COLOUR
    red, green, blue = colorsys.hsv_to_rgb(global_id * _GOLDEN_RATIO % 1.0, 0.75, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def preview_picture(
    frame: Pixels,
    kind: PictureClass,
    outlines: Sequence[Outline],
    heads: Sequence[Region],
) -> Picture:
    """Return a frame as viewers see it.

    Args:
        frame: The full frame.
        kind: How the picture is to look.
        outlines: People to draw, if the class asks for it.
        heads: Where heads are, pixels of the full frame.
    """
    height, width = frame.shape[:2]
    scale = min(1.0, kind.width_px / width)
    size_px = (round(width * scale), max(1, round(height * scale)))
    pixels = resized(frame, size_px)
    if kind.blur_heads:
        pixels = blur_regions(pixels, [_scaled(head, scale) for head in heads])
    if kind.overlays:
        pixels = pixels.copy() if pixels is frame else pixels
        for outline in outlines:
            _draw(pixels, outline, scale)
    options = (cv2.IMWRITE_JPEG_QUALITY, kind.quality)
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    encoded, jpeg = cv2.imencode(".jpg", bgr, options)
    if not encoded:
        raise RuntimeError("a preview could not be encoded")
    return Picture(jpeg.tobytes(), *size_px)


def _draw(pixels: Pixels, outline: Outline, scale: float) -> None:
    """Draw a box and its label, thinner when the box is predicted."""
    colour = colour_of(outline.global_id)
    x_min, y_min, x_max, y_max = np.rint(_scaled(outline.box, scale)).astype(int)
    corner = (int(x_min), int(y_min))
    opposite = (int(x_max), int(y_max))
    cv2.rectangle(pixels, corner, opposite, colour, 1 if outline.predicted else 2)
    if not outline.label:
        return
    (width, height), _ = cv2.getTextSize(outline.label, _FONT, 0.5, 1)
    base = max(corner[1], height + 4)
    above = (corner[0], base - height - 4)
    cv2.rectangle(pixels, above, (corner[0] + width + 4, base), colour, cv2.FILLED)
    place = (corner[0] + 2, base - 3)
    cv2.putText(pixels, outline.label, place, _FONT, 0.5, (0, 0, 0), 1, cv2.LINE_AA)


def _scaled(region: Region, scale: float) -> Region:
    x_min, y_min, x_max, y_max = region
    return x_min * scale, y_min * scale, x_max * scale, y_max * scale
