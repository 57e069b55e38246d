"""CLIP with random weights, small enough to be made on the spot."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from services.common.devices import Device, DeviceSettings, Fallback, UnusableModel
from services.common.errors import NotReady, Unavailable
from services.common.models import EmbedderBackend
from services.reid.adapters.embedders.clip import ClipEmbedder
from tests.fakes.devices import SeenDevices
from tests.fakes.embedding_network import entry

SIDE_PX, DIMENSIONS = 32, 24
ENTRY = entry(dimensions=DIMENSIONS, backend=EmbedderBackend.CLIP)


@pytest.fixture(scope="module")
def transformers():
    """Give a module the library of the variant torch."""
    pytest.importorskip("torch", reason="the variant torch is not installed")
    return pytest.importorskip(
        "transformers", reason="the variant torch is not installed"
    )


@pytest.fixture(scope="module")
def folder(transformers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a module a folder with a tiny CLIP as its authors would publish it."""
    import torch

    torch.manual_seed(1)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    small |= {"intermediate_size": 32, "projection_dim": DIMENSIONS}
    config = transformers.CLIPConfig(
        text_config={**small, "vocab_size": 50, "max_position_embeddings": 8},
        vision_config={**small, "image_size": SIDE_PX, "patch_size": 8},
        projection_dim=DIMENSIONS,
    )
    path = tmp_path_factory.mktemp("clip")
    transformers.CLIPModel(config).save_pretrained(path)
    facts = {
        "do_resize": True,
        "size": {"shortest_edge": SIDE_PX},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": SIDE_PX, "width": SIDE_PX},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "do_convert_rgb": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "image_processor_type": "CLIPImageProcessor",
    }
    (path / "preprocessor_config.json").write_text(json.dumps(facts))
    return path


def _processor(transformers):
    """Return transformers' own preparation of pictures that needs no torchvision."""
    from transformers.models.clip import image_processing_pil_clip

    return image_processing_pil_clip.CLIPImageProcessorPil


def load(folder: Path, **settings: object) -> ClipEmbedder:
    """Return the embedder of a folder."""
    return ClipEmbedder(folder, ENTRY, DeviceSettings(**settings), SeenDevices())


def smooth(side: int) -> np.ndarray:
    """Return a square picture with edges and gradients."""
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (6, 6, 3), np.uint8)
    return np.kron(coarse, np.ones((-(-side // 6),) * 2 + (1,), np.uint8))[:side, :side]


@pytest.mark.parametrize("side", [SIDE_PX, 2 * SIDE_PX, 150, 20])
def test_square_crops_are_seen_as_transformers_sees_them(
    transformers, folder: Path, side: int
) -> None:
    """Without a centre to cut out, vectors equal those of the library's own path."""
    pytest.importorskip("PIL", reason="Pillow, which that path needs, is absent")
    import torch

    crop = smooth(side)
    processor = _processor(transformers).from_pretrained(folder)
    pixels = processor(images=[crop], return_tensors="pt")["pixel_values"]
    encoder = transformers.CLIPVisionModelWithProjection.from_pretrained(folder).eval()
    with torch.inference_mode():
        expected = encoder(pixel_values=pixels).image_embeds[0].numpy()
    (vector,) = load(folder).embed([crop])
    expected /= np.linalg.norm(expected)
    assert vector == pytest.approx(expected, abs=2e-3)
    assert float(vector @ expected) > 0.99999


def test_a_person_is_squeezed_and_not_cut(folder: Path) -> None:
    """Head and feet count: what is at the ends of a tall crop changes its vector."""
    tall = np.full((128, 64, 3), 120, np.uint8)
    hatted = tall.copy()
    hatted[:20] = (250, 20, 20)
    embedder = load(folder)
    plain, other = embedder.embed([tall, hatted])
    assert float(plain @ other) < 0.9999
    assert (embedder.model.width_px, embedder.model.height_px) == (SIDE_PX, SIDE_PX)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (64, 32)])
def test_any_view_of_pixels_can_be_scaled(folder: Path, shape: tuple[int, int]) -> None:
    """Crops as they come off the wire, tiny ones included, may be read-only."""
    crop = np.full((*shape, 3), 77, np.uint8)
    crop.flags.writeable = False
    embedder = load(folder)
    first, second = embedder.embed([crop, crop[..., ::-1]])
    assert first == pytest.approx(second, abs=1e-6)


def test_several_crops_are_one_batch(folder: Path) -> None:
    """A crop has the same vector alone and among others, and unit length."""
    embedder = load(folder)
    crops = [smooth(40), smooth(64), np.full((50, 30, 3), 90, np.uint8)]
    together = embedder.embed(crops)
    alone = np.concatenate([embedder.embed([crop]) for crop in crops])
    assert together == pytest.approx(alone, abs=1e-5)
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(3), abs=1e-5)


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        ("config.json", {"model_type": "bert"}, "found 'bert'"),
        ("preprocessor_config.json", {"image_mean": None}, "preprocessor_config.json"),
        ("preprocessor_config.json", None, "preprocessor_config.json"),
        ("model.safetensors", None, "transformers refuses it"),
    ],
)
def test_a_folder_that_is_no_clip_is_refused(
    folder: Path, tmp_path: Path, file: str, change: dict | None, reason: str
) -> None:
    """A missing file, another model, or a file without its facts is named."""
    for one in folder.iterdir():
        (tmp_path / one.name).write_bytes(one.read_bytes())
    if change is None:
        (tmp_path / file).unlink()
    else:
        facts = json.loads((tmp_path / file).read_text())
        (tmp_path / file).write_text(json.dumps(facts | change))
    with pytest.raises(UnusableModel, match=reason):
        load(tmp_path)


def test_weights_in_the_older_format_are_read(folder: Path, tmp_path: Path) -> None:
    """A `pytorch_model.bin` gives the same vectors as the file that took its place."""
    import torch
    from safetensors.torch import load_file

    for one in folder.glob("*.json"):
        (tmp_path / one.name).write_bytes(one.read_bytes())
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, tmp_path / "pytorch_model.bin")
    crops = [smooth(40)]
    older, newer = load(tmp_path).embed(crops), load(folder).embed(crops)
    assert older == pytest.approx(newer, abs=1e-6)


def test_damaged_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    """Weights that are cut short are no weights."""
    for one in folder.iterdir():
        (tmp_path / one.name).write_bytes(one.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(UnusableModel, match="transformers refuses it"):
        load(tmp_path)


def test_weights_that_lack_a_layer_are_refused(folder: Path, tmp_path: Path) -> None:
    """Weights that are absent are never made up."""
    for one in folder.iterdir():
        (tmp_path / one.name).write_bytes(one.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["vision_config"]["num_hidden_layers"] = 3
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnusableModel, match=r"are missing, such as .*layers\.2"):
        load(tmp_path)


def test_weights_that_answer_nan_are_refused(folder: Path, tmp_path: Path) -> None:
    """An encoder without an answer for plain grey is not used at all."""
    from safetensors.torch import load_file, save_file

    for one in folder.glob("*.json"):
        (tmp_path / one.name).write_bytes(one.read_bytes())
    weights = load_file(folder / "model.safetensors")
    weights["visual_projection.weight"].fill_(float("nan"))
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UnusableModel, match="NaN"):
        load(tmp_path)


def test_other_dimensions_than_the_entry_says_are_refused(folder: Path) -> None:
    """Vectors of a wrong length would be of no use to anybody."""
    described = entry(dimensions=DIMENSIONS + 3, backend=EmbedderBackend.CLIP)
    with pytest.raises(UnusableModel, match=f"found {DIMENSIONS}"):
        ClipEmbedder(folder, described, DeviceSettings(), SeenDevices())


def test_an_absent_gpu_fails_or_falls_back(folder: Path) -> None:
    """As configured: an error, or the CPU."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(Unavailable, match="cuda"):
        load(folder, device=Device.CUDA)
    watch = SeenDevices()
    settings = DeviceSettings(device=Device.CUDA, fallback=Fallback.CPU)
    ClipEmbedder(folder, ENTRY, settings, watch)
    assert watch.devices == [("mean-colour", Device.CPU)]


@pytest.mark.parametrize("name", ["torch", "transformers"])
def test_a_missing_library_names_the_variant(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever chooses CLIP without torch reads what to install."""
    monkeypatch.setitem(sys.modules, name, None)
    if name == "transformers":
        pytest.importorskip("torch", reason="the variant torch is not installed")
    with pytest.raises(NotReady, match=f"needs {name}.*variant torch"):
        ClipEmbedder(tmp_path, ENTRY, DeviceSettings(), SeenDevices())
