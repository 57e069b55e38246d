"""RT-DETR in torch: random weights, whose boxes transformers itself reads too."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.common.devices import (
    Device,
    DeviceFailed,
    DeviceSettings,
    Fallback,
    UnusableModel,
)
from services.common.errors import NotReady
from services.common.models import DetectorBackend, DetectorEntry, ModelFile
from services.detector.adapters.loading import load_detector
from services.detector.adapters.onnx import OnnxDetector
from services.detector.domain.detections import Detections
from tests.fakes.devices import SeenDevices
from tests.fakes.networks import entry

WIDTH, HEIGHT = 96, 64


def rtdetr(**changes: Any) -> DetectorEntry:
    """Return the entry of a model in a folder."""
    files = tuple(
        ModelFile(name, "0" * 64) for name in ("config.json", "model.safetensors")
    )
    facts = {"backend": DetectorBackend.TRANSFORMERS, "files": files, "low_score": 0.0}
    return entry("rtdetr", **{**facts, **changes})


def test_absent_package_names_the_variant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without torch the error tells what to install, before anything is fetched."""
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(
        sys.modules, "services.detector.adapters.transformers", raising=False
    )
    cache = tmp_path / "cache"
    with pytest.raises(NotReady, match="install SpotOn's variant torch"):
        load_detector(
            rtdetr(),
            DeviceSettings(),
            SeenDevices(),
            model_dir=None,
            cache_dir=cache,
            threads=1,
        )
    assert not cache.exists()


@pytest.fixture(scope="module")
def torch() -> Any:
    """Return torch; skip where SpotOn was installed without it."""
    pytest.importorskip("transformers", reason="the variant torch is not installed")
    return pytest.importorskip("torch", reason="the variant torch is not installed")


@pytest.fixture(scope="module")
def folder(torch: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small RT-DETR of random weights."""
    from transformers import (
        RTDetrConfig,
        RTDetrForObjectDetection,
        RTDetrResNetConfig,
    )

    torch.manual_seed(5)
    backbone = RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 16, 16],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = RTDetrConfig(
        backbone_config=backbone,
        encoder_hidden_dim=16,
        encoder_in_channels=[16, 16, 16],
        feat_strides=[8, 16, 32],
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        d_model=16,
        num_queries=30,
        decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16,
        decoder_attention_heads=2,
        decoder_layers=2,
        num_denoising=0,
        num_labels=3,
    )
    path = tmp_path_factory.mktemp("rtdetr")
    model = RTDetrForObjectDetection(config)
    # As it begins its training, the same features would come of every picture.
    for weights in model.parameters():
        if weights.dim() > 1:
            torch.nn.init.kaiming_normal_(weights)
    model.save_pretrained(path)
    return path


def load(
    folder: Path,
    model: DetectorEntry | None = None,
    settings: DeviceSettings | None = None,
    watch: SeenDevices | None = None,
) -> Any:
    """Return a detector."""
    from services.detector.adapters.transformers import TransformersDetector

    return TransformersDetector(
        folder, model or rtdetr(), settings or DeviceSettings(), watch or SeenDevices()
    )


def pictures() -> list[np.ndarray]:
    """Return pictures of several shapes."""
    random = np.random.default_rng(2)
    sizes = ((64, 96), (40, 30), (64, 64))
    return [random.integers(0, 255, (*size, 3), np.uint8) for size in sizes]


@pytest.mark.parametrize("person_class", [0, 2])
def test_boxes_are_those_of_transformers(
    torch: Any, folder: Path, person_class: int
) -> None:
    """Boxes and scores equal what transformers' own post-processing says."""
    import cv2
    from transformers import RTDetrForObjectDetection
    from transformers.models.rt_detr.image_processing_pil_rt_detr import (
        RTDetrImageProcessorPil,
    )

    shown = pictures()
    found = load(folder, rtdetr(person_class=person_class)).detect(shown)
    model = RTDetrForObjectDetection.from_pretrained(folder).eval()
    batch = np.stack([cv2.resize(p, (WIDTH, HEIGHT)) for p in shown])
    tensor = torch.from_numpy(batch.transpose(0, 3, 1, 2) / 255).float()
    with torch.inference_mode():
        outputs = model(pixel_values=tensor)
    # Every pair of query and class has to be among them, to compare one class.
    told = RTDetrImageProcessorPil().post_process_object_detection(
        _widened(outputs, torch),
        threshold=0.0,
        target_sizes=[p.shape[:2] for p in shown],
    )
    for ours, theirs, picture in zip(found, told, shown, strict=True):
        assert isinstance(ours, Detections)
        chosen = theirs["labels"] == person_class
        scores = theirs["scores"][chosen].numpy()
        limit = np.array([*picture.shape[1::-1]] * 2, np.float32)
        boxes = np.clip(theirs["boxes"][chosen].numpy(), 0, limit)
        order = np.argsort(-scores, kind="stable")
        np.testing.assert_allclose(ours.scores, scores[order], atol=1e-5)
        np.testing.assert_allclose(ours.boxes_px, boxes[order], atol=2e-3)


def _widened(outputs: Any, torch: Any) -> Any:
    """Return outputs with each query once for each class, that class alone likely.

    Post-processing keeps as many pairs of query and class as there are queries.
    """
    from types import SimpleNamespace

    logits, boxes = outputs.logits, outputs.pred_boxes
    classes = logits.shape[-1]
    alone = torch.full((len(logits), classes * logits.shape[1], classes), -1e4)
    for index in range(classes):
        part = slice(index * logits.shape[1], (index + 1) * logits.shape[1])
        alone[:, part, index] = logits[..., index]
    return SimpleNamespace(logits=alone, pred_boxes=boxes.repeat(1, classes, 1))


@pytest.mark.filterwarnings("ignore:.*:Warning")
def test_an_onnx_export_answers_the_same(
    torch: Any, folder: Path, tmp_path: Path
) -> None:
    """A real graph of RT-DETR, exported for any batch, answers what torch answers."""
    from transformers import RTDetrForObjectDetection

    names = {"input_names": ["pixel_values"], "output_names": ["logits", "pred_boxes"]}
    model = RTDetrForObjectDetection.from_pretrained(folder)

    class Exported(torch.nn.Module):  # type: ignore[misc, name-defined]
        """The outputs that an export has."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixel_values: Any) -> Any:
            outputs = self.model(pixel_values=pixel_values, return_dict=True)
            return outputs.logits, outputs.pred_boxes

    path = tmp_path / "rtdetr.onnx"
    torch.onnx.export(
        Exported().eval(),
        (torch.rand(2, 3, HEIGHT, WIDTH),),
        path,
        **names,
        dynamic_axes={name: {0: "batch"} for part in names.values() for name in part},
        opset_version=17,
        dynamo=False,
    )
    exported = OnnxDetector(path, rtdetr(), DeviceSettings(), SeenDevices())
    answers = exported.detect(pictures())
    for ours, theirs in zip(answers, load(folder).detect(pictures()), strict=True):
        assert isinstance(ours, Detections)
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)
        np.testing.assert_allclose(ours.boxes_px, theirs.boxes_px, atol=1e-2)


def test_batches_do_not_mix(folder: Path) -> None:
    """A picture has the same answer alone and beside others."""
    detector = load(folder)
    together = detector.detect(pictures())
    for picture, beside in zip(pictures(), together, strict=True):
        (alone,) = detector.detect([picture])
        np.testing.assert_allclose(alone.boxes_px, beside.boxes_px, atol=1e-3)


def test_absent_cuda_is_an_error_or_the_cpu(torch: Any, folder: Path) -> None:
    """Without CUDA the start ends, or the CPU is used and reported."""
    if torch.cuda.is_available():
        pytest.skip("CUDA is present")
    with pytest.raises(DeviceFailed, match="cuda cannot be used: this torch"):
        load(folder, settings=DeviceSettings(Device.CUDA))
    watch = SeenDevices()
    settings = DeviceSettings(Device.CUDA, fallback=Fallback.CPU)
    assert load(folder, settings=settings, watch=watch).detect(pictures()[:1])
    assert watch.devices == [("tiny", Device.CPU)]


def copied(folder: Path, target: Path) -> Path:
    """Return a copy of a model's folder."""
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_a_folder_without_a_model_is_refused(torch: Any, tmp_path: Path) -> None:
    """A folder that holds something else is named."""
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UnusableModel, match=f"tiny.*{tmp_path}.*refuses"):
        load(tmp_path)


def test_damaged_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    """Weights that are cut short are refused."""
    path = copied(folder, tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UnusableModel, match="refuses"):
        load(tmp_path)


def test_weights_of_another_shape_are_refused(folder: Path, tmp_path: Path) -> None:
    """A model whose weights are not all there does not run with random ones."""
    path = copied(folder, tmp_path) / "config.json"
    config = json.loads(path.read_text())
    config["decoder_layers"] = 3
    path.write_text(json.dumps(config))
    with pytest.raises(UnusableModel, match="expected all weights"):
        load(tmp_path)


def test_another_kind_of_model_is_refused(folder: Path, tmp_path: Path) -> None:
    """A detector whose scores are made otherwise is refused by its type."""
    from transformers import YolosConfig, YolosForObjectDetection

    small = YolosConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=[64, 96],
        num_detection_tokens=5,
    )
    YolosForObjectDetection(small).save_pretrained(tmp_path)
    with pytest.raises(UnusableModel, match=r"rt_detr.*found yolos"):
        load(tmp_path)


def test_a_class_that_is_not_there_is_refused(folder: Path) -> None:
    """A person_class beyond the model's classes is refused with the shapes."""
    with pytest.raises(UnusableModel, match=r"class 7 among.*\(30, 3\)"):
        load(folder, rtdetr(person_class=7))
