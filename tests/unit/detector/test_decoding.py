"""Raw outputs of the models become people."""

import numpy as np
import pytest

from services.detector.domain import movenet, yolox
from services.detector.domain.geometry import Size


def test_yolox_reads_a_cell() -> None:
    """A box is relative to its cell, scaled by the stride of its grid."""
    size = Size(64, 64)
    output = np.zeros((64 + 16 + 4, 85), np.float32)
    # Third cell of the second row of the grid with stride 16.
    output[64 + 4 + 2, :6] = (0.5, 0.25, np.log(2), np.log(3), 0.9, 0.8)
    found = yolox.decode(output, size, least_score=0.1)
    np.testing.assert_allclose(found.scores, [0.72], rtol=1e-5)
    centre, half = np.array([40.0, 20.0]), np.array([16.0, 24.0])
    expected = np.concatenate([centre - half, centre + half])
    np.testing.assert_allclose(found.boxes_px, [expected], rtol=1e-5)
    assert found.keypoints_px.shape == (1, 0, 3)


def test_yolox_sees_only_people() -> None:
    """Other classes, and boxes below the threshold, are left out."""
    output = np.zeros((64 + 16 + 4, 85), np.float32)
    output[0, [4, 7]] = 0.9
    output[1, [4, 5]] = 0.3
    assert len(yolox.decode(output, Size(64, 64), least_score=0.1)) == 0


def test_yolox_letterbox_is_grey_and_bgr() -> None:
    """The picture lies at the top left, in BGR, and grey fills the rest."""
    pixels = np.full((20, 30, 3), (1, 2, 3), np.uint8)
    planes = yolox.letterbox(pixels, Size(64, 32))
    assert planes.shape == (3, 32, 64)
    assert planes[:, 19, 29].tolist() == [3, 2, 1]
    assert (planes[:, 20:] == yolox.PADDING_GREY).all()
    assert (planes[:, :, 30:] == yolox.PADDING_GREY).all()


def test_movenet_reads_a_row() -> None:
    """Relative y before x becomes pixels, x before y."""
    output = np.zeros((6, 56), np.float32)
    output[2, 51:] = (0.1, 0.2, 0.5, 0.6, 0.4)
    output[2, 45:48] = (0.5, 0.3, 0.7)
    found = movenet.decode(output, Size(320, 160), least_score=0.1)
    np.testing.assert_allclose(found.boxes_px, [[64, 16, 192, 80]], rtol=1e-5)
    np.testing.assert_allclose(found.scores, [0.4])
    assert found.keypoints_px.shape == (1, 17, 3)
    np.testing.assert_allclose(found.keypoints_px[0, 15], [96, 80, 0.7], rtol=1e-5)


@pytest.mark.parametrize("side", [1, 31, 32, 33, 480])
def test_movenet_input_is_a_multiple_of_32(side: int) -> None:
    """An input is the next multiple of 32."""
    size = movenet.padded(Size(side, side))
    assert size.width % 32 == 0
    assert 0 <= size.width - side < 32
