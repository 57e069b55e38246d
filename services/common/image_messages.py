"""Read pictures from messages."""

from services.common.errors import InvalidInput
from services.common.images import (
    DEFAULT_MAX_PIXELS,
    RgbImage,
    check_size,
    decode_image,
    view_raw,
)
from spoton.common.v1 import frame_pb2


def image_from_proto(
    image: frame_pb2.Image, *, field: str, max_pixels: int = DEFAULT_MAX_PIXELS
) -> RgbImage:
    """Return the pixels of a picture message.

    Raises:
        InvalidInput: The picture is absent, damaged, too large, or of the wrong
            length; the error names the field below `field`.
    """
    content = image.WhichOneof("content")
    if content == "encoded":
        return decode_image(
            image.encoded, field=f"{field}.encoded", max_pixels=max_pixels
        )
    if content == "raw":
        return _raw_from_proto(image.raw, field=f"{field}.raw", max_pixels=max_pixels)
    raise InvalidInput("holds no picture", field=field)


def _raw_from_proto(
    raw: frame_pb2.RawImage, *, field: str, max_pixels: int
) -> RgbImage:
    """Return a view of an uncompressed picture message."""
    width, height = raw.size.width, raw.size.height
    check_size(width, height, field=f"{field}.size", max_pixels=max_pixels)
    if raw.format not in (frame_pb2.PIXEL_FORMAT_RGB24, frame_pb2.PIXEL_FORMAT_BGR24):
        raise InvalidInput("must be RGB24 or BGR24", field=f"{field}.format")
    return view_raw(
        raw.pixels,
        width=width,
        height=height,
        bgr=raw.format == frame_pb2.PIXEL_FORMAT_BGR24,
        field=f"{field}.pixels",
    )
