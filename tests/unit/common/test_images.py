"""Pictures from strangers become arrays, or errors that name the field."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.errors import InvalidInput
from services.common.image_messages import image_from_proto
from services.common.images import RgbImage, decode_image, view_raw
from spoton.common.v1 import frame_pb2, geometry_pb2

FORMATS = (".jpg", ".png", ".webp")
HUGE = 30_000


@pytest.fixture
def picture() -> RgbImage:
    """Return a smooth picture, 48 wide and 32 high, mostly red."""
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[..., 0] = 200
    picture[..., 1] = np.linspace(0, 120, 48, dtype=np.uint8)
    return picture


def encode(picture: RgbImage, extension: str) -> bytes:
    """Return `picture` as a file."""
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if extension == ".webp" else []
    _, encoded = cv2.imencode(extension, picture[..., ::-1], options)
    return encoded.tobytes()


def claim(encoded: bytes, extension: str, side: int) -> bytes:
    """Return the file with `side` written over its width and its height."""
    if extension == ".png":
        header = b"IHDR" + struct.pack(">II", side, side) + encoded[24:29]
        return (
            encoded[:12] + header + struct.pack(">I", zlib.crc32(header)) + encoded[33:]
        )
    start = encoded.index(b"\xff\xc0") + 5
    return encoded[:start] + struct.pack(">HH", side, side) + encoded[start + 4 :]


@pytest.mark.parametrize("extension", FORMATS)
def test_decodes_to_rgb(picture: RgbImage, extension: str) -> None:
    """Each format decodes to the same pixels, in RGB order."""
    decoded = decode_image(encode(picture, extension), field="image")
    assert decoded.shape == picture.shape
    assert decoded.dtype == np.uint8
    np.testing.assert_allclose(decoded, picture, atol=12)


@pytest.mark.parametrize("quality", [60, 90])
def test_reads_size_of_lossy_webp(picture: RgbImage, quality: int) -> None:
    """A lossy WebP file, whose header differs, decodes too."""
    options = [cv2.IMWRITE_WEBP_QUALITY, quality]
    _, encoded = cv2.imencode(".webp", picture, options)
    decoded = decode_image(encoded.tobytes(), field="image")
    assert decoded.shape == picture.shape


def test_decodes_progressive_jpeg(picture: RgbImage) -> None:
    """A JPEG of several scans is seen as complete."""
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    _, encoded = cv2.imencode(".jpg", picture, options)
    decoded = decode_image(encoded.tobytes(), field="image")
    assert decoded.shape == picture.shape


@pytest.mark.parametrize("extension", FORMATS)
def test_decodes_one_pixel(extension: str) -> None:
    """An image of one pixel is an image."""
    encoded = encode(np.full((1, 1, 3), 90, np.uint8), extension)
    assert decode_image(encoded, field="image").shape == (1, 1, 3)


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.97])
def test_refuses_truncated(picture: RgbImage, extension: str, kept: float) -> None:
    """A file that stops early is refused, not filled up with grey."""
    encoded = encode(picture, extension)
    with pytest.raises(InvalidInput) as refused:
        decode_image(encoded[: int(len(encoded) * kept)], field="tiles[0].image")
    assert refused.value.field == "tiles[0].image"


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_refuses_huge_claim_unread(
    picture: RgbImage, extension: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim of 30,000 x 30,000 pixels is refused before anything is decoded."""
    monkeypatch.delattr(cv2, "imdecode")
    encoded = claim(encode(picture, extension), extension, HUGE)
    with pytest.raises(InvalidInput, match="30000 x 30000"):
        decode_image(encoded, field="image")


def test_refuses_more_pixels_than_allowed(picture: RgbImage) -> None:
    """The limit on pixels is the caller's."""
    encoded = encode(picture, ".png")
    with pytest.raises(InvalidInput, match="at most 1000 pixels"):
        decode_image(encoded, field="image", max_pixels=1000)


@pytest.mark.parametrize(
    "junk", [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF0000WEBPVP8 "]
)
def test_refuses_what_is_no_image(junk: bytes) -> None:
    """Empty bytes, text and bare signatures are refused."""
    with pytest.raises(InvalidInput):
        decode_image(junk, field="image")


@settings(deadline=None)
@given(junk=st.binary(max_size=200), magic=st.sampled_from(FORMATS))
def test_survives_any_bytes(junk: bytes, magic: str) -> None:
    """Whatever follows a signature ends in an image or in InvalidInput."""
    signature = encode(np.zeros((2, 2, 3), np.uint8), magic)[:24]
    try:
        decoded = decode_image(signature + junk, field="image", max_pixels=10_000)
    except InvalidInput:
        return
    assert decoded.size <= 30_000


@pytest.mark.parametrize("extension", FORMATS)
@settings(deadline=None)
@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_survives_a_changed_byte(extension: str, position: int, value: int) -> None:
    """A file with one wrong byte ends in an image or in InvalidInput."""
    encoded = bytearray(encode(np.zeros((8, 8, 3), np.uint8), extension))
    encoded[position % len(encoded)] = value
    try:
        decoded = decode_image(bytes(encoded), field="image", max_pixels=10_000)
    except InvalidInput:
        return
    assert decoded.size <= 30_000


def raw(picture: RgbImage, **changes: object) -> frame_pb2.Image:
    """Return `picture` as an uncompressed message."""
    height, width, _ = picture.shape
    fields: dict[str, object] = {
        "size": geometry_pb2.ImageSize(width=width, height=height),
        "format": frame_pb2.PIXEL_FORMAT_RGB24,
        "pixels": picture.tobytes(),
    }
    return frame_pb2.Image(raw=frame_pb2.RawImage(**fields | changes))  # type: ignore[arg-type]


def test_raw_is_not_copied(picture: RgbImage) -> None:
    """Raw pixels are looked at where they are."""
    pixels = picture.tobytes()
    view = view_raw(pixels, width=48, height=32, bgr=True, field="pixels")
    assert not view.flags.owndata
    assert np.shares_memory(view, np.frombuffer(pixels, np.uint8))


def test_raw_bgr_becomes_rgb(picture: RgbImage) -> None:
    """The order of samples in the message does not reach the caller."""
    message = raw(
        picture,
        format=frame_pb2.PIXEL_FORMAT_BGR24,
        pixels=picture[..., ::-1].tobytes(),
    )
    np.testing.assert_array_equal(image_from_proto(message, field="image"), picture)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pixels": b"123"}, "image.raw.pixels"),
        ({"format": frame_pb2.PIXEL_FORMAT_UNSPECIFIED}, "image.raw.format"),
        ({"size": geometry_pb2.ImageSize(width=0, height=3)}, "image.raw.size"),
        ({"size": geometry_pb2.ImageSize(width=HUGE, height=HUGE)}, "image.raw.size"),
    ],
)
def test_refuses_wrong_raw(
    picture: RgbImage, changes: dict[str, object], field: str
) -> None:
    """Raw pixels that contradict their description are refused."""
    with pytest.raises(InvalidInput) as refused:
        image_from_proto(raw(picture, **changes), field="image")
    assert refused.value.field == field


def test_reads_encoded_message(picture: RgbImage) -> None:
    """A message with a file is decoded."""
    message = frame_pb2.Image(encoded=encode(picture, ".png"))
    np.testing.assert_array_equal(image_from_proto(message, field="image"), picture)


def test_refuses_absent_picture() -> None:
    """A message without content is refused by its name."""
    with pytest.raises(InvalidInput) as refused:
        image_from_proto(frame_pb2.Image(), field="tiles[2].image")
    assert refused.value.field == "tiles[2].image"
