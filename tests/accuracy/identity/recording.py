"""A recording: what cameras saw, and who it was.

This is the seam of the evaluation: whatever makes a `Recording`, a loader of a public
data set or a generator of scenes, can be played through the services and scored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NewType

import numpy as np
from numpy.typing import NDArray

from services.common.ids import CameraId, ModelId
from spoton.common.v1 import frame_pb2

PersonId = NewType("PersonId", int)
"""A real person, the same in every camera."""

Boxes = NDArray[np.float64]
Homography = tuple[float, ...]
"""From full-frame pixels to floor metres, row by row; nine values."""


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera.

    Attributes:
        camera_id: Its name in the mesh.
        name: Its name in the files that it comes from.
        size_px: Width and height of its frames.
        image_to_floor: How it sees the floor; None where that is not known.
        bias_floor_m: What its calibration is known to be wrong by, metres; None where
            the mapper's default is to be used.
    """

    camera_id: CameraId
    name: str
    size_px: tuple[int, int]
    image_to_floor: Homography | None = None
    bias_floor_m: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Who is in a frame.

    Attributes:
        persons: Who, each once. Shape (G,), int64.
        boxes_px: Corners x_min, y_min, x_max, y_max. Shape (G, 4).
        positions_m: Where they stand on the floor, NaN where that is not known. Shape
            (G, 2). None where it is to be taken from the boxes.
    """

    persons: NDArray[np.int64]
    boxes_px: Boxes
    positions_m: NDArray[np.float64] | None = None
    counts: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of one camera.

    Attributes:
        number: Its number in the files, or its index.
        time_ns: When it was taken as the camera's clock tells, nanoseconds since 1970.
        boxes_px: What a detector found, corners. Shape (N, 4).
        scores: How sure it is, in [0, 1]. Shape (N,).
        vectors: What each of them looks like, unit length; None where nobody can tell.
            Shape (N, D), float32.
        truth: Who is there; None where that is not known.
        clock: How far `time_ns` can be trusted; None for a file's clock.
    """

    number: int
    time_ns: int
    boxes_px: Boxes
    scores: NDArray[np.float64]
    vectors: NDArray[np.float32] | None = None
    truth: Truth | None = None
    clock: frame_pb2.Clock | None = None


@dataclass(frozen=True, slots=True)
class VectorModel:
    """What made the vectors.

    Attributes:
        model_id: Its name.
        dimensions: Length of a vector.
        match_similarity: Cosine at which two are as likely of one person as of two.
    """

    model_id: ModelId
    dimensions: int
    match_similarity: float


@dataclass(frozen=True, slots=True)
class Recording:
    """What some cameras saw.

    Attributes:
        name: For tables and files.
        cameras: The cameras, in the order of their ids.
        frames: All frames of each camera, in order of time, those in which nothing was
            found too.
        rate_hz: Frames of a camera per second.
        high_score: Detector's score from which it is sure.
        low_score: Detector's score below which it is noise.
        vector_model: What made the vectors; None where there are none.
        least_height_px: Height below which people do not count in scores.
    """

    name: str
    cameras: Sequence[Camera]
    frames: Mapping[CameraId, Sequence[Frame]]
    rate_hz: float
    high_score: float
    low_score: float
    vector_model: VectorModel | None = None
    least_height_px: float = 0.0

    @property
    def has_floor(self) -> bool:
        """Whether any camera knows where it sees the floor."""
        return any(camera.image_to_floor is not None for camera in self.cameras)

    @property
    def has_truth(self) -> bool:
        """Whether it is known who is who."""
        return any(
            frame.truth is not None
            for frames in self.frames.values()
            for frame in frames
        )


def shortened(recording: Recording, duration_s: float) -> Recording:
    """Return the beginning of a recording."""
    first_ns = min(frames[0].time_ns for frames in recording.frames.values() if frames)
    end_ns = first_ns + round(1e9 * duration_s)
    return replace(
        recording,
        frames={
            camera_id: [frame for frame in frames if frame.time_ns < end_ns]
            for camera_id, frames in recording.frames.items()
        },
    )
