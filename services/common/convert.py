"""Wire to domain and back, for the messages that services share."""

from collections.abc import Sequence

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray

from services.common.errors import InvalidInput
from spoton.common.v1 import frame_pb2, geometry_pb2

NS_PER_S = 1_000_000_000


def ns_from_timestamp(timestamp: Timestamp) -> int:
    """Return nanoseconds since 1970-01-01 UTC."""
    return timestamp.seconds * NS_PER_S + timestamp.nanos


def ns_to_timestamp(time_ns: int) -> Timestamp:
    """Return the message of a time in nanoseconds since 1970-01-01 UTC."""
    return Timestamp(seconds=time_ns // NS_PER_S, nanos=time_ns % NS_PER_S)


def boxes_from_proto(
    boxes: Sequence[geometry_pb2.Box], *, field: str
) -> NDArray[np.float32]:
    """Return boxes as an array.

    Args:
        boxes: Boxes in the full frame.
        field: Path of the list in the request, for errors.

    Returns:
        float32, shape (N, 4), x_min, y_min, x_max, y_max in pixels.

    Raises:
        InvalidInput: A box holds a value that is not finite, or is empty.
    """
    array = np.array(
        [(box.x_min, box.y_min, box.x_max, box.y_max) for box in boxes], np.float32
    ).reshape(-1, 4)
    usable = np.isfinite(array).all(axis=1)
    usable &= (array[:, 2] > array[:, 0]) & (array[:, 3] > array[:, 1])
    if not usable.all():
        index = int(np.argmin(usable))
        raise InvalidInput(
            f"must be finite with x_min < x_max and y_min < y_max; got {array[index]}",
            field=f"{field}[{index}].box",
        )
    return array


def box_to_proto(box: Sequence[float] | NDArray[np.floating]) -> geometry_pb2.Box:
    """Return the message of x_min, y_min, x_max, y_max in pixels."""
    x_min, y_min, x_max, y_max = (float(value) for value in box)
    return geometry_pb2.Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)


def embedding_from_proto(
    embedding: frame_pb2.Embedding, *, model_id: str, dimensions: int, field: str
) -> NDArray[np.float32]:
    """Return an appearance vector, scaled to unit length.

    Args:
        embedding: The message.
        model_id: Model that the vector must be of.
        dimensions: Length that the vector must have.
        field: Path of the embedding in the request, for errors.

    Returns:
        float32, shape (dimensions,), unit length.

    Raises:
        InvalidInput: The vector is of another model or length, not finite, or zero.
    """
    if embedding.model_id != model_id:
        raise InvalidInput(
            f"is of model {embedding.model_id!r}, but {model_id!r} is running; vectors "
            "of different models are never compared",
            field=f"{field}.model_id",
        )
    return unit_vector(embedding.values, dimensions=dimensions, field=f"{field}.values")


def unit_vector(values: bytes, *, dimensions: int, field: str) -> NDArray[np.float32]:
    """Return the unit vector in `values`, float32 little-endian.

    Raises:
        InvalidInput: It has another length than `dimensions`, is not finite, or zero.
    """
    if len(values) != 4 * dimensions:
        raise InvalidInput(
            f"must hold {dimensions} float32 values, {4 * dimensions} bytes; got "
            f"{len(values)} bytes",
            field=field,
        )
    vector: NDArray[np.float32] = np.frombuffer(values, "<f4").astype(np.float32)
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length):
        raise InvalidInput("must be finite", field=field)
    if length < 1e-6:
        raise InvalidInput("must not be zero", field=field)
    vector /= np.float32(length)
    return vector


def embedding_to_proto(
    vector: NDArray[np.float32], *, model_id: str
) -> frame_pb2.Embedding:
    """Return the message of an appearance vector."""
    values = np.ascontiguousarray(vector, "<f4").tobytes()
    return frame_pb2.Embedding(model_id=model_id, values=values)


def image_to_proto(pixels: NDArray[np.uint8]) -> frame_pb2.Image:
    """Return the message of RGB pixels, uint8, shape (H, W, 3), uncompressed."""
    height, width = pixels.shape[:2]
    raw = frame_pb2.RawImage(
        size=geometry_pb2.ImageSize(width=width, height=height),
        format=frame_pb2.PIXEL_FORMAT_RGB24,
        pixels=np.ascontiguousarray(pixels).tobytes(),
    )
    return frame_pb2.Image(raw=raw)
