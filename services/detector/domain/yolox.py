"""Prepare the input of YOLOX and read its output.

Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv:2107.08430. The network is
free of anchors: each cell of three grids predicts one box relative to itself.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.detections import Detections, suppress
from services.detector.domain.geometry import Size
from services.detector.domain.tiles import RgbImage

PADDING_GREY = 114
STRIDES_PX = (8, 16, 32)
_PERSON = 0


def letterbox(pixels: RgbImage, input_size: Size) -> NDArray[np.float32]:
    """Return a picture as the network reads it, at the top left of a grey input.

    Args:
        pixels: No larger than `input_size`.
        input_size: Size of the input.

    Returns:
        float32, shape (3, height, width), BGR order, [0, 255].
    """
    height, width = pixels.shape[:2]
    shape = (3, input_size.height, input_size.width)
    planes = np.full(shape, PADDING_GREY, np.float32)
    planes[:, :height, :width] = pixels[..., ::-1].transpose(2, 0, 1)
    return planes


def decode(
    output: NDArray[np.float32], input_size: Size, *, least_score: float
) -> Detections:
    """Return the people in one output.

    A cell at (i, j) of a grid with stride s predicts the centre (s (i + x), s (j + y))
    and the size (s exp w, s exp h).

    Args:
        output: float32, shape (cells, 5 + classes): x, y, w, h, objectness, then the
            probability of each class.
        input_size: Size of the input, padding included.
        least_score: People below are left out, [0, 1].

    Returns:
        People in pixels of the input.
    """
    scores = output[:, 4] * output[:, 5 + _PERSON]
    likely = np.flatnonzero(scores >= least_score)
    cells, strides = _grids(input_size)
    centres = (output[likely, :2] + cells[likely]) * strides[likely]
    halves = np.exp(output[likely, 2:4]) * strides[likely] / 2
    boxes = np.concatenate([centres - halves, centres + halves], axis=1)
    keypoints = np.zeros((len(likely), 0, 3), np.float32)
    return suppress(Detections(boxes, scores[likely], keypoints))


@functools.cache
def _grids(input_size: Size) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return each cell's column and row, shape (cells, 2), and its stride, (cells, 1).

    Cells are in the order of the output: by stride, then row by row.
    """
    cells, strides = [], []
    for stride in STRIDES_PX:
        rows, columns = input_size.height // stride, input_size.width // stride
        y, x = np.mgrid[:rows, :columns]
        cells.append(np.stack([x, y], axis=-1).reshape(-1, 2))
        strides.append(np.full((rows * columns, 1), stride))
    return (
        np.concatenate(cells).astype(np.float32),
        np.concatenate(strides).astype(np.float32),
    )
