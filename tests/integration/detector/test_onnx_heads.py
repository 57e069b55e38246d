"""Every layout of outputs that one meets, in a real network in the real runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from services.common.devices import DeviceSettings
from services.common.models import DetectorEntry
from services.detector.adapters.onnx import OnnxDetector
from services.detector.domain.detections import Detections
from services.detector.domain.tiles import RgbImage
from tests.fakes.devices import SeenDevices
from tests.fakes.networks import entry, write_network

WIDTH, HEIGHT = 96, 64
CELLS = 12 * 8 + 6 * 4 + 3 * 2
BOX = (12.0, 8.0, 36.0, 56.0)
"""The person in pixels of the input."""
CENTRED = (24.0, 32.0, 24.0, 48.0)
RELATIVE = (24 / WIDTH, 32 / HEIGHT, 24 / WIDTH, 48 / HEIGHT)


def picture(width: int, height: int, level: int = 0) -> RgbImage:
    """Return a picture of one grey."""
    return np.full((height, width, 3), level, np.uint8)


def load(path: Path, model: DetectorEntry) -> OnnxDetector:
    """Return a detector on the CPU."""
    return OnnxDetector(path, model, DeviceSettings(), SeenDevices())


def zeros(*shape: int) -> NDArray[np.float32]:
    """Return an output in which nobody is."""
    return np.zeros(shape, np.float32)


def yolox() -> dict[str, NDArray[Any]]:
    """Cell (3, 1) of the grid with stride 16, a person of 0.8 x 0.9."""
    output = zeros(CELLS, 85)
    index = 12 * 8 + 1 * 6 + 3
    output[index, :4] = (24 / 16 - 3, 32 / 16 - 1, np.log(24 / 16), np.log(48 / 16))
    output[index, 4:6] = (0.8, 0.9)
    output[0, [4, 8]] = 1.0
    return {"output": output}


def yolo_v8() -> dict[str, NDArray[Any]]:
    """Centre and size, then classes, in columns; a car beside the person."""
    output = zeros(84, CELLS)
    output[:4, 70], output[4, 70] = CENTRED, 0.72
    output[:4, 71], output[4, 71] = CENTRED, 0.5
    output[:4, 90], output[6, 90] = CENTRED, 0.99
    return {"output0": output}


def yolo_v5() -> dict[str, NDArray[Any]]:
    """Rows with an objectness."""
    output = zeros(3 * CELLS, 85)
    output[200, :4], output[200, 4:6] = CENTRED, (0.8, 0.9)
    output[201, :4], output[201, [4, 7]] = CENTRED, 1.0
    return {"output0": output}


def yolo_v5_one_class() -> dict[str, NDArray[Any]]:
    """Six columns, as an end-to-end output has too."""
    output = zeros(3 * CELLS, 6)
    output[7, :4], output[7, 4:] = CENTRED, (0.8, 0.9)
    return {"output0": output}


def yolo_end_to_end() -> dict[str, NDArray[Any]]:
    """Corners, score, class."""
    output = zeros(300, 6)
    output[0] = (*BOX, 0.95, 2)
    output[1] = (*BOX, 0.72, 0)
    return {"output0": output}


def yolo_segmenting() -> dict[str, NDArray[Any]]:
    """A v8 whose columns go on with mask coefficients, and the masks."""
    output = zeros(116, CELLS)
    output[:4, 70], output[4, 70] = CENTRED, 0.72
    return {"output0": output, "output1": zeros(32, 16, 24)}


def rtdetr_authors() -> dict[str, NDArray[Any]]:
    """Labels, boxes that the network multiplies with the size it is told, scores."""
    labels, boxes, scores = np.full(300, 2, np.int64), zeros(300, 4), zeros(300)
    boxes[:2] = np.array(BOX) / (WIDTH, HEIGHT, WIDTH, HEIGHT)
    labels[1], scores[:2] = 0, (0.95, 0.72)
    return {"labels": labels, "boxes": boxes, "scores": scores}


def rtdetr_hugging_face() -> dict[str, NDArray[Any]]:
    """Logits and relative boxes."""
    logits, boxes = zeros(300, 80) - 9, zeros(300, 4)
    boxes[5], logits[5, 0] = RELATIVE, np.log(0.72 / 0.28)
    logits[6, 3] = 9
    return {"logits": logits, "pred_boxes": boxes}


def rtdetr_ultralytics() -> dict[str, NDArray[Any]]:
    """Relative boxes and probabilities in one output."""
    output = zeros(300, 84)
    output[5, :4], output[5, 4] = RELATIVE, 0.72
    output[6, 7] = 0.99
    return {"output0": output}


def rfdetr() -> dict[str, NDArray[Any]]:
    """Relative boxes, and logits of COCO's categories, of which a person is 1."""
    dets, labels = zeros(300, 4), zeros(300, 91) - 9
    dets[5], labels[5, 1] = RELATIVE, np.log(0.72 / 0.28)
    labels[6, 0] = 9
    return {"dets": dets, "labels": labels}


LAYOUTS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "yolox": ("yolox", yolox, {}),
    "yolo v8": ("yolo", yolo_v8, {}),
    "yolo v5": ("yolo", yolo_v5, {}),
    "yolo v5 of one class": ("yolo", yolo_v5_one_class, {}),
    "yolo end to end": ("yolo", yolo_end_to_end, {}),
    "yolo that segments": ("yolo", yolo_segmenting, {}),
    "rtdetr of its authors": ("rtdetr", rtdetr_authors, {}),
    "rtdetr of hugging face": ("rtdetr", rtdetr_hugging_face, {}),
    "rtdetr of ultralytics": ("rtdetr", rtdetr_ultralytics, {}),
    "rfdetr": ("rfdetr", rfdetr, {"person_class": 1}),
}
EXTRA = {"rtdetr of its authors": "orig_target_sizes"}
STRETCHED = ("rtdetr", "rfdetr")


@pytest.fixture(params=LAYOUTS, ids=[name.replace(" ", "-") for name in LAYOUTS])
def layout(request: pytest.FixtureRequest) -> str:
    """Return the name of each layout."""
    name: str = request.param
    return name


def made(layout: str, tmp_path: Path, **how: Any) -> OnnxDetector:
    """Return a network of a layout, loaded."""
    head, outputs, changes = LAYOUTS[layout]
    path = write_network(
        tmp_path / "tiny.onnx", outputs(), extra_input=EXTRA.get(layout), **how
    )
    return load(path, entry(head, **changes))


def require_person(found: Any, box: tuple[float, ...], *, atol: float = 1e-3) -> None:
    """Assert that one person was found, where it is."""
    assert isinstance(found, Detections)
    np.testing.assert_allclose(found.scores, [0.72], rtol=2e-3)
    np.testing.assert_allclose(found.boxes_px, [box], atol=atol)
    assert found.keypoints_px.shape == (1, 0, 3)


def test_person_is_found_in_the_picture(layout: str, tmp_path: Path) -> None:
    """The only person is answered in pixels, other classes and doubles are not."""
    (found,) = made(layout, tmp_path).detect([picture(WIDTH, HEIGHT)])
    require_person(found, BOX)


def test_picture_of_another_shape(layout: str, tmp_path: Path) -> None:
    """Boxes are those of the picture also when it has not the input's shape."""
    (found,) = made(layout, tmp_path).detect([picture(40, 60)])
    if LAYOUTS[layout][0] in STRETCHED:
        require_person(found, (5.0, 7.5, 15.0, 52.5))
    else:
        require_person(found, (12.0, 8.0, 36.0, 56.0))


def test_boxes_end_at_the_picture(tmp_path: Path) -> None:
    """What a letterbox network sees in the padding is no part of a person."""
    (found,) = made("yolo v8", tmp_path).detect([picture(30, 50)])
    require_person(found, (12.0, 8.0, 30.0, 50.0))


def test_float16_networks_are_fed_as_they_declare(layout: str, tmp_path: Path) -> None:
    """A network of float16 reads and answers float16; boxes are the same."""
    head, outputs, changes = LAYOUTS[layout]
    halved = {
        name: value.astype(np.float16) if value.dtype == np.float32 else value
        for name, value in outputs().items()
    }
    path = write_network(
        tmp_path / "tiny.onnx",
        halved,
        extra_input=EXTRA.get(layout),
        dtype=np.float16,
    )
    (found,) = load(path, entry(head, **changes)).detect([picture(WIDTH, HEIGHT)])
    require_person(found, BOX, atol=0.1)


@pytest.mark.parametrize("batch", ["batch", 4, 1])
def test_pictures_of_a_batch_stay_apart(tmp_path: Path, batch: int | str) -> None:
    """Each picture has its own answer; a network of fixed batch is filled up."""
    output, lit = zeros(84, CELLS), zeros(84, CELLS)
    output[:4, 70], lit[4, 70] = CENTRED, 1.0
    path = write_network(
        tmp_path / "tiny.onnx", {"output0": output}, lit={"output0": lit}, batch=batch
    )
    detector = load(path, entry("yolo"))
    assert detector.max_batch == (1 if batch == "batch" else batch)
    levels = [255, 128, 204] if batch != 1 else [128]
    found = detector.detect([picture(WIDTH, HEIGHT, level) for level in levels])
    scores = [float(part.scores[0]) for part in found if isinstance(part, Detections)]
    np.testing.assert_allclose(scores, [level / 255 for level in levels], rtol=1e-4)


def test_network_of_any_size_reads_the_configured(tmp_path: Path) -> None:
    """Height and width that are left open are those of the entry."""
    detector = made("yolo v8", tmp_path, size=("height", "width"))
    (found,) = detector.detect([picture(WIDTH, HEIGHT)])
    require_person(found, BOX)
