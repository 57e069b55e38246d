"""Wire to domain and back."""

import numpy as np
from numpy.typing import NDArray

from services.common.convert import box_to_proto
from services.common.errors import InvalidInput
from services.common.image_messages import image_from_proto
from services.common.images import MAX_SIDE_PX
from services.common.models import DetectorEntry, PixelOrder
from services.detector.domain.detections import Detections
from services.detector.domain.geometry import Region, Size
from services.detector.domain.tiles import Tile
from spoton.common.v1 import frame_pb2, geometry_pb2
from spoton.detector.v1 import detector_pb2

MAX_TILES = 64

_FORMATS = {
    PixelOrder.RGB: frame_pb2.PIXEL_FORMAT_RGB24,
    PixelOrder.BGR: frame_pb2.PIXEL_FORMAT_BGR24,
}


def needs_decoding(request: detector_pb2.DetectRequest) -> bool:
    """Return whether reading the tiles takes time that the event loop has not."""
    return any(tile.image.WhichOneof("content") == "encoded" for tile in request.tiles)


def require_frame(request: detector_pb2.DetectRequest) -> None:
    """Return if the request names its frame.

    Raises:
        InvalidInput: Session or camera is missing.
    """
    for name in ("session_id", "camera_id"):
        if not getattr(request.frame, name):
            raise InvalidInput("must not be empty", field=f"frame.{name}")


def size_from_proto(size: geometry_pb2.ImageSize, *, field: str) -> Size:
    """Return the size of a frame.

    Raises:
        InvalidInput: A side is out of range.
    """
    if not (1 <= size.width <= MAX_SIDE_PX and 1 <= size.height <= MAX_SIDE_PX):
        raise InvalidInput(
            f"each side must be 1 to {MAX_SIDE_PX} pixels; got {size.width} x "
            f"{size.height}",
            field=field,
        )
    return Size(size.width, size.height)


def tiles_from_proto(
    request: detector_pb2.DetectRequest, frame: Size, *, max_pixels: int
) -> list[Tile]:
    """Return the tiles of a frame; encoded ones are decoded.

    Raises:
        InvalidInput: There are none or too many, or one cannot be used.
    """
    if not 1 <= len(request.tiles) <= MAX_TILES:
        raise InvalidInput(
            f"must be 1 to {MAX_TILES}; got {len(request.tiles)}", field="tiles"
        )
    return [
        Tile(
            image_from_proto(
                tile.image, field=f"tiles[{index}].image", max_pixels=max_pixels
            ),
            region_from_proto(tile.region, frame, field=f"tiles[{index}].region"),
        )
        for index, tile in enumerate(request.tiles)
    ]


def region_from_proto(region: geometry_pb2.Box, frame: Size, *, field: str) -> Region:
    """Return a region of a frame.

    Raises:
        InvalidInput: It is not finite, empty, or not inside the frame.
    """
    inside = (
        0 <= region.x_min < region.x_max <= frame.width
        and 0 <= region.y_min < region.y_max <= frame.height
    )
    if not inside:
        raise InvalidInput("must be a rectangle inside the frame", field=field)
    return Region(region.x_min, region.y_min, region.x_max, region.y_max)


def detections_to_proto(detections: Detections) -> list[frame_pb2.Detection]:
    """Return the messages of people, in the same order."""
    return [
        frame_pb2.Detection(
            box=box_to_proto(box),
            score=float(score),
            keypoints=_keypoints_to_proto(keypoints),
        )
        for box, score, keypoints in zip(
            detections.boxes_px,
            np.minimum(detections.scores, 1.0),
            detections.keypoints_px,
            strict=True,
        )
    ]


def _keypoints_to_proto(keypoints: NDArray[np.float32]) -> list[frame_pb2.Keypoint]:
    """Return the messages of body parts in the order of COCO, which kinds follow."""
    return [
        frame_pb2.Keypoint(
            kind=kind,  # type: ignore[arg-type] # Kinds are numbered in this order.
            point=geometry_pb2.ImagePoint(x=x, y=y),
            score=min(score, 1.0),
        )
        for kind, (x, y, score) in enumerate(keypoints.tolist(), start=1)
    ]


def model_to_proto(model: DetectorEntry) -> detector_pb2.DetectorModel:
    """Return the message that describes a model."""
    return detector_pb2.DetectorModel(
        model_id=model.model_id,
        input_size=geometry_pb2.ImageSize(
            width=model.input_width_px, height=model.input_height_px
        ),
        pixel_format=_FORMATS[model.pixel_order],
        tile_policy=detector_pb2.TilePolicy(
            columns=model.tile_columns,
            rows=model.tile_rows,
            overlap=model.tile_overlap,
            max_people_per_tile=model.max_people_per_tile,
        ),
        thresholds=detector_pb2.Thresholds(
            high_score=model.high_score, low_score=model.low_score
        ),
        has_keypoints=model.has_keypoints,
    )
