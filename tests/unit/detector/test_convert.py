"""Messages become values, values messages, and nonsense an error."""

import numpy as np
import pytest

from services.common.convert import image_to_proto
from services.common.errors import InvalidInput
from services.common.models import load_registry
from services.detector.convert import (
    detections_to_proto,
    model_to_proto,
    needs_decoding,
    region_from_proto,
    require_frame,
    size_from_proto,
    tiles_from_proto,
)
from services.detector.domain.detections import Detections
from services.detector.domain.geometry import Region, Size
from spoton.common.v1 import frame_pb2, geometry_pb2
from spoton.detector.v1 import detector_pb2

FRAME = Size(100, 50)


def request(tiles: int = 1) -> detector_pb2.DetectRequest:
    """Return a frame with some tiles, each all of it."""
    image = image_to_proto(np.zeros((5, 10, 3), np.uint8))
    region = geometry_pb2.Box(x_max=100, y_max=50)
    return detector_pb2.DetectRequest(
        tiles=[detector_pb2.Tile(image=image, region=region) for _ in range(tiles)]
    )


def test_tiles_are_read() -> None:
    """A tile has its pixels and its region."""
    (tile,) = tiles_from_proto(request(), FRAME, max_pixels=100)
    assert tile.size == Size(10, 5)
    assert tile.region == Region(0, 0, 100, 50)


@pytest.mark.parametrize("tiles", [0, 65])
def test_number_of_tiles_is_limited(tiles: int) -> None:
    """No tile, or more than 64, is refused."""
    with pytest.raises(InvalidInput) as refused:
        tiles_from_proto(request(tiles), FRAME, max_pixels=100)
    assert refused.value.field == "tiles"


def test_only_encoded_tiles_need_decoding() -> None:
    """Raw pixels are read at once, files are not."""
    frame = request()
    assert not needs_decoding(frame)
    frame.tiles[0].image.encoded = b"\xff\xd8"
    assert needs_decoding(frame)


@pytest.mark.parametrize(
    "corners",
    [(0, 0, 101, 50), (-1, 0, 10, 10), (5, 5, 5, 10), (0, 0, float("nan"), 9)],
)
def test_regions_lie_in_the_frame(corners: tuple[float, ...]) -> None:
    """A region that is empty, outside, or not a number is refused."""
    names = ("x_min", "y_min", "x_max", "y_max")
    box = geometry_pb2.Box(**dict(zip(names, corners, strict=True)))
    with pytest.raises(InvalidInput) as refused:
        region_from_proto(box, FRAME, field="tiles[0].region")
    assert refused.value.field == "tiles[0].region"


@pytest.mark.parametrize("side", [0, 20_000])
def test_frame_sizes_are_limited(side: int) -> None:
    """A frame without pixels, or with too many, is refused."""
    size = geometry_pb2.ImageSize(width=side, height=10)
    with pytest.raises(InvalidInput):
        size_from_proto(size, field="frame_size")


@pytest.mark.parametrize("missing", ["session_id", "camera_id"])
def test_frames_are_named(missing: str) -> None:
    """A frame without session or camera is refused."""
    ref = frame_pb2.FrameRef(session_id="s", camera_id="c")
    ref.ClearField(missing)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput) as refused:
        require_frame(detector_pb2.DetectRequest(frame=ref))
    assert refused.value.field == f"frame.{missing}"


def test_people_become_messages() -> None:
    """Boxes, scores and keypoints arrive; keypoints are named in COCO's order."""
    keypoints = np.zeros((1, 17, 3), np.float32)
    keypoints[0, 16] = (7, 8, 0.5)
    found = Detections(
        np.array([[1, 2, 3, 4]], np.float32), np.array([0.25], np.float32), keypoints
    )
    (message,) = detections_to_proto(found)
    assert message.box == geometry_pb2.Box(x_min=1, y_min=2, x_max=3, y_max=4)
    assert message.score == 0.25
    ankle = message.keypoints[16]
    assert ankle.kind == frame_pb2.KEYPOINT_KIND_RIGHT_ANKLE
    assert (ankle.point.x, ankle.point.y, ankle.score) == (7, 8, 0.5)


def test_model_is_described() -> None:
    """A client learns everything it needs to cut and scale frames."""
    model = model_to_proto(load_registry().detector("movenet-multipose"))
    assert model.model_id == "movenet-multipose"
    assert model.pixel_format == frame_pb2.PIXEL_FORMAT_RGB24
    assert model.tile_policy.max_people_per_tile == 6
    assert model.has_keypoints
    assert 0 < model.thresholds.low_score < model.thresholds.high_score < 1
