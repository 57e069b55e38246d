"""Read the output of MoveNet MultiPose.

Google, "MoveNet: Ultra fast and accurate pose detection model", 2021. Each of six
rows holds 17 keypoints (y, x, score), then y_min, x_min, y_max, x_max and a score, all
relative to the input.
"""

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.detections import Detections, suppress
from services.detector.domain.geometry import Size
from services.detector.domain.heads import NotFinite

KEYPOINT_COUNT = 17
INPUT_MULTIPLE_PX = 32
"""Each side of the input is a multiple of this."""


def padded(size: Size) -> Size:
    """Return the smallest input that holds a picture of this size.

    >>> padded(Size(383, 480))
    Size(width=384, height=480)
    """
    multiple = INPUT_MULTIPLE_PX
    return Size(
        -(-size.width // multiple) * multiple, -(-size.height // multiple) * multiple
    )


def decode(
    output: NDArray[np.float32], input_size: Size, *, least_score: float
) -> Detections:
    """Return the people in one output.

    Args:
        output: float32, shape (6, 56).
        input_size: Size of the input, padding included.
        least_score: People below are left out, [0, 1].

    Returns:
        People in pixels of the input.

    Raises:
        NotFinite: The network answered NaN or infinity.
    """
    if not np.isfinite(output).all():
        raise NotFinite
    rows = output[output[:, 55] >= least_score]
    extent = np.array([input_size.width, input_size.height], np.float32)
    keypoints = rows[:, :51].reshape(-1, KEYPOINT_COUNT, 3)[..., [1, 0, 2]]
    keypoints[..., :2] *= extent
    boxes = rows[:, [52, 51, 54, 53]] * np.tile(extent, 2)
    return suppress(Detections(boxes, rows[:, 55], keypoints))
