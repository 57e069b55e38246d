"""The real models, in their real runtimes."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest

from services.common.devices import (
    Device,
    DeviceFailed,
    DeviceSettings,
    Fallback,
    UnusableModel,
)
from services.common.errors import InvalidInput, Unavailable
from services.common.ids import ModelId
from services.common.models import (
    DetectorBackend,
    cache_dir,
    load_registry,
    locate,
    model_dir,
)
from services.detector.adapters.litert import LiteRtDetector
from services.detector.adapters.loading import load_detector
from services.detector.adapters.onnx import OnnxDetector
from services.detector.batching import Detector
from services.detector.domain.geometry import Size
from services.detector.domain.tiles import RgbImage
from tests.fakes.devices import SeenDevices


def model_path(name: str) -> Path:
    """Return a model's file; skip the test if only a user could supply it."""
    entry = load_registry().detector(name)
    try:
        return locate(entry, model_dir(), cache_dir()).path
    except Unavailable as error:
        if all(file.sources for file in entry.files):
            raise
        pytest.skip(str(error))


def load_movenet(path: Path, side: int) -> LiteRtDetector:
    """Return MoveNet for two threads."""
    return LiteRtDetector(
        path,
        ModelId("movenet-multipose"),
        input_size=Size(side, side),
        least_score=0.1,
        threads=2,
    )


def load_yolox(settings: DeviceSettings, side: int = 416) -> OnnxDetector:
    """Return YOLOX-nano."""
    entry = load_registry().detector("yolox-nano")
    sized = replace(entry, input_width_px=side, input_height_px=side, low_score=0.3)
    return OnnxDetector(model_path("yolox-nano"), sized, settings, SeenDevices())


@pytest.fixture(scope="module")
def movenet() -> LiteRtDetector:
    """Return MoveNet for two threads."""
    return load_movenet(model_path("movenet-multipose"), 256)


@pytest.fixture(scope="module")
def yolox() -> OnnxDetector:
    """Return YOLOX-nano."""
    return load_yolox(DeviceSettings())


@pytest.fixture
def person() -> RgbImage:
    """Return a picture, 160 x 240, of one person of the evaluation data."""
    folder = Path(os.environ.get("SPOTON_EVAL_DATA", "absent"))
    crops = sorted(folder.glob("epfl-4p-crops/**/gid_0003_cam_cam02_frame_000410.png"))
    if not crops:
        pytest.skip("SPOTON_EVAL_DATA holds no epfl-4p-crops")
    crop = cv2.cvtColor(cv2.imread(str(crops[-1])), cv2.COLOR_BGR2RGB)
    width, height = 80, 160
    resized = cv2.resize(crop, (width, height))
    # Edges drawn out to a background: the person is not cut by the picture.
    bordered = cv2.copyMakeBorder(resized, 40, 40, 40, 40, cv2.BORDER_REPLICATE)
    return np.asarray(bordered, np.uint8)


def require_one_person(detector: Detector, picture: RgbImage) -> None:
    """Assert that the best person found is where `person` put one."""
    (found,) = detector.detect([picture])
    best = found.best_first().boxes_px[0]
    np.testing.assert_allclose(best, (40, 40, 120, 200), atol=12)


def test_movenet_finds_a_person(movenet: LiteRtDetector, person: RgbImage) -> None:
    """MoveNet finds a person, with ankles near the lower end of the box."""
    require_one_person(movenet, person)
    (found,) = movenet.detect([person])
    ankles = found.keypoints_px[0, 15:17]
    assert (ankles[:, 1] > 150).all()


def test_yolox_finds_a_person(yolox: OnnxDetector, person: RgbImage) -> None:
    """YOLOX finds a person."""
    require_one_person(yolox, person)


@pytest.mark.parametrize("size", [(1, 1), (31, 64), (256, 256), (200, 90)])
def test_movenet_takes_any_size(movenet: LiteRtDetector, size: tuple[int, int]) -> None:
    """A grey picture of any size is searched; boxes stay inside of it."""
    (found,) = movenet.detect([np.full((*size, 3), 120, np.uint8)])
    assert (found.boxes_px[:, 3] <= size[0]).all()
    assert (found.boxes_px[:, 2] <= size[1]).all()


def test_movenet_threads_do_not_mix(movenet: LiteRtDetector) -> None:
    """Pictures of different sizes, many at once, give what they give alone."""
    random = np.random.default_rng(1)
    pictures: Sequence[RgbImage] = [
        random.integers(0, 255, (64 + 32 * (i % 3), 96, 3), np.uint8) for i in range(12)
    ]
    alone = [movenet.detect([picture])[0] for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = [
            f[0] for f in pool.map(lambda picture: movenet.detect([picture]), pictures)
        ]
    for first, second in zip(alone, together, strict=True):
        np.testing.assert_allclose(first.boxes_px, second.boxes_px)


def test_yolox_runs_batches(yolox: OnnxDetector, person: RgbImage) -> None:
    """The network's own batch size is filled up; each picture has its own answer."""
    empty = np.full_like(person, 120)
    pictures = [person, empty][: yolox.max_batch]
    first, *others = yolox.detect(pictures)
    assert len(first) >= 1
    assert all(len(found) == 0 for found in others)


def test_movenet_refuses_odd_inputs() -> None:
    """An input size that the network cannot have is refused at start."""
    with pytest.raises(InvalidInput, match="multiple of 32"):
        load_movenet(Path("unused"), 100)


def test_movenet_refuses_another_file(tmp_path: Path) -> None:
    """A file that is no TFLite is refused; the error names model and file."""
    path = tmp_path / "movenet.tflite"
    path.write_bytes(b"no flatbuffer at all, but long enough to look at")
    with pytest.raises(UnusableModel, match=f"movenet-multipose.*{path}"):
        load_movenet(path, 256)


def test_yolox_refuses_other_inputs() -> None:
    """A network of fixed size refuses another one at start."""
    with pytest.raises(InvalidInput, match="416"):
        load_yolox(DeviceSettings(), side=640)


def test_absent_device_is_an_error() -> None:
    """Without CUDA the detector says so instead of running on the CPU."""
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("CUDA may be present")
    with pytest.raises(DeviceFailed, match="cuda"):
        load_yolox(DeviceSettings(Device.CUDA))


@pytest.mark.parametrize("fallback", list(Fallback))
def test_movenet_runs_on_the_cpu_only(fallback: Fallback, movenet: Any) -> None:
    """MoveNet refuses another device, or runs on the CPU where that is allowed."""
    entry = load_registry().detector("movenet-multipose")
    settings = DeviceSettings(Device.CUDA, fallback=fallback)
    watch = SeenDevices()

    def load() -> Detector:
        return load_detector(
            entry,
            settings,
            watch,
            model_dir=model_dir(),
            cache_dir=cache_dir(),
            threads=1,
        )

    if fallback is Fallback.FAIL:
        with pytest.raises(DeviceFailed, match="CPU only"):
            load()
        return
    assert load().input_size == Size(480, 480)
    assert watch.devices == [("movenet-multipose", Device.CPU)]


def test_a_backend_refuses_heads_that_it_cannot_run() -> None:
    """An entry that pairs a backend with another's head is refused at start."""
    entry = replace(
        load_registry().detector("yolox-nano"), backend=DetectorBackend.LITERT
    )
    with pytest.raises(InvalidInput) as refused:
        load_detector(
            entry,
            DeviceSettings(),
            SeenDevices(),
            model_dir=None,
            cache_dir=Path("unused"),
            threads=1,
        )
    assert refused.value.field == "yolox-nano.head"
