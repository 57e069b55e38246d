"""Pictures are written into the input of a network as it wants them."""

from typing import Any

import numpy as np
import pytest

from services.common.models import PixelOrder
from services.detector.adapters.inputs import InputWriter
from services.detector.domain import rfdetr, rtdetr, yolo, yolox
from services.detector.domain.geometry import Size
from services.detector.domain.heads import PADDING_GREY, Preparation

SIZE = Size(64, 32)


def writer(
    preparation: Preparation,
    order: PixelOrder = PixelOrder.RGB,
    made: list[int] | None = None,
) -> InputWriter:
    """Return a writer of float32; `made` remembers how much memory was asked for."""

    def new_buffer(count: int) -> Any:
        if made is not None:
            made.append(count)
        return np.full((count, 3, 32, 64), np.nan, np.float32)

    return InputWriter(preparation, SIZE, order, new_buffer)


def test_letterbox_is_grey_beside_the_picture() -> None:
    """A YOLOX picture lies at the top left, in BGR, and grey fills the rest."""
    pixels = np.full((20, 30, 3), (1, 2, 3), np.uint8)
    (planes,) = writer(yolox.PREPARATION, PixelOrder.BGR).write([pixels], 1)
    assert planes[:, 19, 29].tolist() == [3, 2, 1]
    assert (planes[:, 20:] == PADDING_GREY).all()
    assert (planes[:, :, 30:] == PADDING_GREY).all()


def test_yolo_reads_samples_up_to_one() -> None:
    """YOLO's samples, padding included, are divided by 255."""
    pixels = np.full((20, 30, 3), (0, 51, 255), np.uint8)
    (planes,) = writer(yolo.PREPARATION).write([pixels], 1)
    np.testing.assert_allclose(planes[:, 0, 0], [0, 0.2, 1], rtol=1e-6)
    np.testing.assert_allclose(planes[:, 31, 63], PADDING_GREY / 255, rtol=1e-6)


def test_stretched_pictures_fill_the_input() -> None:
    """RT-DETR's picture is scaled to the input whatever its shape."""
    pixels = np.zeros((10, 10, 3), np.uint8)
    pixels[:, 5:] = 255
    (planes,) = writer(rtdetr.PREPARATION).write([pixels], 1)
    assert planes[:, :, :28].max() == 0
    assert planes[:, :, 36:].min() == 1


def test_rfdetr_reads_normalised_samples() -> None:
    """RF-DETR's samples have ImageNet's mean and deviation taken out."""
    pixels = np.full((32, 64, 3), (255, 0, 102), np.uint8)
    (planes,) = writer(rfdetr.PREPARATION).write([pixels], 1)
    expected = (np.array([1, 0, 0.4]) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(planes[:, 3, 3], expected, rtol=1e-5)


@pytest.mark.parametrize("order", list(PixelOrder))
def test_views_that_run_backwards_are_read(order: PixelOrder) -> None:
    """A picture that came in BGR is written as the same picture in RGB is."""
    random = np.random.default_rng(3)
    pixels = random.integers(0, 255, (20, 30, 3), np.uint8)
    backwards = np.ascontiguousarray(pixels[..., ::-1])[..., ::-1]
    (one,) = writer(yolo.PREPARATION, order).write([pixels], 1)
    (other,) = writer(yolo.PREPARATION, order).write([backwards], 1)
    np.testing.assert_array_equal(one, other)


def test_memory_is_used_again() -> None:
    """Memory is asked for only by a batch larger than all before, and left clean."""
    made: list[int] = []
    kept = writer(yolox.PREPARATION, made=made)
    large, small = (np.full((side, side, 3), 9, np.uint8) for side in (32, 8))
    for pictures in ([large], [large] * 3, [small], [small] * 2):
        batch = kept.write(pictures, len(pictures))
        assert len(batch) == len(pictures)
    assert made == [1, 3]
    assert (batch[:, :, 8:] == PADDING_GREY).all()
    assert (batch[:, :, :8, 8:] == PADDING_GREY).all()


def test_fixed_batches_are_filled_up() -> None:
    """Beyond the pictures given there is room for those that the network wants."""
    batch = writer(yolox.PREPARATION).write([np.zeros((32, 64, 3), np.uint8)], 4)
    assert batch.shape == (4, 3, 32, 64)
