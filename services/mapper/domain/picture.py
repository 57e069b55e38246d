"""What crop and scale do to a lens."""

from dataclasses import replace

from services.common.errors import InvalidInput
from services.mapper.domain.environment import FrameTransform, ImageSize, Lens


def scaled(lens: Lens, size: ImageSize, factor: float) -> tuple[Lens, ImageSize]:
    """Return lens and size of a picture after scaling it.

    >>> lens, size = scaled(Lens(900, 900, 640, 360), ImageSize(1280, 720), 0.5)
    >>> lens.cx_px, size
    (320.0, ImageSize(width=640, height=360))
    """
    width, height = round(size.width * factor), round(size.height * factor)
    by_x, by_y = width / size.width, height / size.height
    resized = replace(
        lens,
        fx_px=lens.fx_px * by_x,
        fy_px=lens.fy_px * by_y,
        cx_px=lens.cx_px * by_x,
        cy_px=lens.cy_px * by_y,
    )
    return resized, ImageSize(width, height)


def transformed(
    lens: Lens, size: ImageSize, transform: FrameTransform, path: str
) -> tuple[Lens, ImageSize]:
    """Return lens and size of a picture after a camera's crop and scale.

    Args:
        lens: Optics of the decoded picture.
        size: Size of the decoded picture.
        transform: What is done to it. Edges of the crop are whole pixels.
        path: Path of the request field that gives the size.

    Raises:
        InvalidInput: The crop region does not lie inside the picture.
    """
    if (region := transform.crop_region) is not None:
        left, top = round(region.x_min), round(region.y_min)
        right, bottom = round(region.x_max), round(region.y_max)
        if not (left < right <= size.width and top < bottom <= size.height):
            message = (
                f"has {size.width}x{size.height} pixels, fewer than the crop keeps"
            )
            raise InvalidInput(message, field=path)
        lens = replace(lens, cx_px=lens.cx_px - left, cy_px=lens.cy_px - top)
        size = ImageSize(right - left, bottom - top)
    return scaled(lens, size, 1.0 if transform.scale is None else transform.scale)
