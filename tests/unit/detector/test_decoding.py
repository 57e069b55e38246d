"""Raw outputs of the models become people."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from services.detector.domain import movenet, rfdetr, rtdetr, yolo, yolox
from services.detector.domain.geometry import Size
from services.detector.domain.heads import (
    Head,
    NotFinite,
    Outputs,
    Reading,
    UnknownLayout,
)

READING = Reading(Size(64, 64), person_class=0, least_score=0.1)
CELLS = 64 + 16 + 4


def zeros(*shape: int) -> NDArray[np.float32]:
    """Return an output in which nobody is."""
    return np.zeros(shape, np.float32)


def test_yolox_reads_a_cell() -> None:
    """A box is relative to its cell, scaled by the stride of its grid."""
    output = zeros(CELLS, 85)
    # Third cell of the second row of the grid with stride 16.
    output[64 + 4 + 2, :6] = (0.5, 0.25, np.log(2), np.log(3), 0.9, 0.8)
    found = yolox.decode({"output": output}, READING)
    np.testing.assert_allclose(found.scores, [0.72], rtol=1e-5)
    centre, half = np.array([40.0, 20.0]), np.array([16.0, 24.0])
    expected = np.concatenate([centre - half, centre + half])
    np.testing.assert_allclose(found.boxes_px, [expected], rtol=1e-5)
    assert found.keypoints_px.shape == (1, 0, 3)


def test_yolox_sees_only_people() -> None:
    """Other classes, and boxes below the threshold, are left out."""
    output = zeros(CELLS, 85)
    output[0, [4, 7]] = 0.9
    output[1, [4, 5]] = 0.3
    assert len(yolox.decode({"output": output}, READING)) == 0


def broken_yolox(value: float) -> Outputs:
    """Return an answer with one objectness that is no number."""
    output = zeros(CELLS, 85)
    output[3, 4] = value
    return {"output": output}


def broken_yolo(value: float) -> Outputs:
    """Return an answer with a likely person somewhere in no place."""
    output = zeros(84, CELLS)
    output[2, 5], output[4, 5] = value, 0.9
    return {"output0": output}


def broken_rtdetr(value: float) -> Outputs:
    """Return an answer with one logit that is no number."""
    logits = zeros(300, 80)
    logits[299, 0] = value
    return {"logits": logits, "pred_boxes": zeros(300, 4)}


def broken_rfdetr(value: float) -> Outputs:
    """Return an answer with one box that is no box."""
    boxes = zeros(300, 4)
    boxes[0, 3] = value
    return {"dets": boxes, "labels": zeros(300, 91) + 3}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (yolox, broken_yolox),
        (yolo, broken_yolo),
        (rtdetr, broken_rtdetr),
        (rfdetr, broken_rfdetr),
    ],
    ids=["yolox", "yolo", "rtdetr", "rfdetr"],
)
def test_numbers_that_are_not_finite_are_no_answer(
    head: Head, answer: Callable[[float], Outputs], value: float
) -> None:
    """NaN or infinity in a score or a person's box is an error, never nobody."""
    outputs = answer(value)
    shapes = {name: output.shape for name, output in outputs.items()}
    decode = head.recognise(shapes, READING)
    with pytest.raises(NotFinite):
        decode(outputs, READING)


def test_yolox_sizes_that_overflow_are_no_answer() -> None:
    """A size whose exponential overflows is an error too."""
    output = zeros(CELLS, 85)
    output[0, 2:6] = (999, 1, 1, 1)
    with pytest.raises(NotFinite):
        yolox.decode({"output": output}, READING)


def test_what_is_unlikely_may_lie_anywhere() -> None:
    """A box that is no number costs nothing where nobody is."""
    output = zeros(84, CELLS)
    output[:4] = np.nan
    assert len(yolo.decode_anchor_free({"output0": output}, READING)) == 0


@pytest.mark.parametrize(
    ("head", "shapes"),
    [
        (yolox, {"output": (CELLS + 1, 85)}),
        (yolox, {"output": (CELLS, 5)}),
        (yolox, {"output": (CELLS, 85), "more": (1,)}),
        (yolo, {"output0": (84, CELLS + 3)}),
        (yolo, {"output0": (300, 7)}),
        (yolo, {"a": (84, CELLS), "b": (84, CELLS)}),
        (rtdetr, {"logits": (300, 80), "pred_boxes": (299, 4)}),
        (rtdetr, {"labels": (300,), "boxes": (300, 5), "scores": (300,)}),
        (rtdetr, {"output0": (300, 4)}),
        (rfdetr, {"dets": (300, 4)}),
        (rfdetr, {"dets": (300, 4), "labels": (300, 0)}),
    ],
)
def test_other_outputs_are_refused(
    head: Head, shapes: dict[str, tuple[int, ...]]
) -> None:
    """Outputs that no export of a head has are refused with what was expected."""
    with pytest.raises(UnknownLayout, match="expected"):
        head.recognise(shapes, READING)


def test_a_class_that_is_not_there_is_refused() -> None:
    """A network with fewer classes than the entry's person_class is refused."""
    reading = Reading(Size(64, 64), person_class=80, least_score=0.1)
    for head, shapes in (
        (yolox, {"output": (CELLS, 85)}),
        (yolo, {"output0": (84, CELLS)}),
        (rtdetr, {"output0": (300, 84)}),
        (rfdetr, {"dets": (300, 4), "labels": (300, 80)}),
    ):
        with pytest.raises(UnknownLayout):
            head.recognise(shapes, reading)


def test_neighbours_of_a_transformer_stay_apart() -> None:
    """Boxes of queries are not suppressed: the network tells people apart itself."""
    output = zeros(300, 84)
    output[:2, :4] = ((0.5, 0.5, 0.4, 0.8), (0.52, 0.5, 0.4, 0.8))
    output[:2, 4] = (0.6, 0.9)
    found = rtdetr.decode_ultralytics({"output0": output}, READING)
    np.testing.assert_allclose(found.scores, [0.9, 0.6])


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


def test_movenet_that_answers_nan_is_no_answer() -> None:
    """MoveNet's NaN is an error too."""
    output = zeros(6, 56)
    output[5, 3] = np.nan
    with pytest.raises(NotFinite):
        movenet.decode(output, Size(64, 64), least_score=0.1)
