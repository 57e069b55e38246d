"""Which pictures of a camera somebody wants to see."""

import math
from dataclasses import dataclass

from services.common.errors import InvalidInput
from services.common.ids import CameraId

MOST_CAMERAS = 64
_RATE_HZ = (0.0, 30.0, 5.0)
_WIDTH_PX = (64, 1920, 640)
_QUALITY = (10, 95, 75)


@dataclass(frozen=True, slots=True)
class PictureClass:
    """How pictures look; those of one class are made once, however many watch.

    Attributes:
        width_px: Width to scale down to, pixels.
        quality: Quality of the JPEG file.
        overlays: Whether boxes and labels are drawn.
        blur_heads: Whether heads are made unrecognisable.
    """

    width_px: int
    quality: int
    overlays: bool
    blur_heads: bool


@dataclass(frozen=True, slots=True)
class PreviewWish:
    """What one viewer wants to see.

    Attributes:
        camera_ids: Cameras; empty means all.
        max_rate_hz: Pictures of each camera per second.
        width_px: Width to scale down to, pixels.
        quality: Quality of the JPEG files.
        overlays: Whether to draw boxes and labels.
    """

    camera_ids: frozenset[CameraId] = frozenset()
    max_rate_hz: float = _RATE_HZ[2]
    width_px: int = _WIDTH_PX[2]
    quality: int = _QUALITY[2]
    overlays: bool = False

    def picture_class(self, *, blur_heads: bool) -> PictureClass:
        """Return how the pictures look."""
        return PictureClass(self.width_px, self.quality, self.overlays, blur_heads)


def checked_wish(
    camera_ids: frozenset[CameraId],
    max_rate_hz: float,
    width_px: int,
    quality: int,
    *,
    overlays: bool,
) -> PreviewWish:
    """Return a wish whose values are within their ranges; 0 means the default.

    Raises:
        InvalidInput: A value is out of its range.
    """
    if len(camera_ids) > MOST_CAMERAS:
        raise InvalidInput(f"must be at most {MOST_CAMERAS}", field="camera_ids")
    least_hz, most_hz, usual_hz = _RATE_HZ
    if max_rate_hz and not least_hz < max_rate_hz <= most_hz:
        raise InvalidInput(f"must be in (0, {most_hz:g}]", field="max_rate_hz")
    _require_within(width_px, _WIDTH_PX, "width_px")
    _require_within(quality, _QUALITY, "quality")
    return PreviewWish(
        camera_ids,
        max_rate_hz or usual_hz,
        width_px or _WIDTH_PX[2],
        quality or _QUALITY[2],
        overlays,
    )


def turn(shown_s: float, rate_hz: float) -> int:
    """Return which of the moments at a rate a picture belongs to.

    Viewers of the same rate show the first picture of each moment, so they share it.

    Args:
        shown_s: When the picture was there, monotonic seconds.
        rate_hz: Pictures per second.

    >>> turn(10.26, 5.0)
    51
    """
    return math.floor(shown_s * rate_hz)


def _require_within(value: int, limits: tuple[int, int, int], field: str) -> None:
    least, most, _ = limits
    if value and not least <= value <= most:
        raise InvalidInput(f"must be {least} to {most}", field=field)
