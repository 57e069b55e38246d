"""Embedding networks in ONNX, with networks small enough to know their answers."""

import asyncio
from pathlib import Path

import numpy as np
import onnx
import pytest

from services.common.batching import BatchSettings
from services.common.broken_answers import BrokenAnswer
from services.common.devices import DeviceSettings, UnusableModel
from services.common.errors import InvalidInput
from services.common.models import PixelOrder, TensorLayout
from services.reid.adapters.embedders.crops import CropWriter
from services.reid.adapters.embedders.onnx import OnnxEmbedder
from services.reid.observe import BROKEN_ANSWERS
from services.reid.service.embedding import EmbeddingService
from tests.fakes.devices import SeenDevices
from tests.fakes.embedding_network import HEIGHT_PX, WIDTH_PX, entry, write_network

COLOUR = (200, 120, 40)
IMAGENET = {"mean": (123.675, 116.28, 103.53), "deviation": (58.395, 57.12, 57.375)}


def plain(colour: tuple[int, int, int] = COLOUR, scale: int = 1) -> np.ndarray:
    """Return a crop of one colour, in the networks' size or a multiple."""
    return np.full((scale * HEIGHT_PX, scale * WIDTH_PX, 3), colour, np.uint8)


def load(path: Path, described: object) -> OnnxEmbedder:
    """Return an embedder on the CPU."""
    return OnnxEmbedder(path, described, DeviceSettings(), SeenDevices())


def unit(values: object) -> np.ndarray:
    """Return values as a vector of unit length."""
    vector = np.array(values, np.float64)
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("layout", TensorLayout)
@pytest.mark.parametrize("order", PixelOrder)
@pytest.mark.parametrize("normal", [{}, IMAGENET], ids=["raw", "normalised"])
@pytest.mark.parametrize("scale", [1, 5])
def test_every_layout_gives_the_known_answer(
    tmp_path: Path, layout: TensorLayout, order: PixelOrder, normal: dict, scale: int
) -> None:
    """Axes, colour order, normalisation and size are those of the entry."""
    path = write_network(tmp_path / "net.onnx", layout)
    (vector,) = load(path, entry(layout, order, **normal)).embed([plain(scale=scale)])
    samples = np.array(COLOUR if order is PixelOrder.RGB else COLOUR[::-1], float)
    if normal:
        samples = (samples - normal["mean"]) / normal["deviation"]
    assert vector.dtype == np.float32
    assert vector == pytest.approx(unit(samples), abs=1e-6)


@pytest.mark.parametrize("batch", [1, 4, "batch"])
def test_batches_are_those_of_the_network(tmp_path: Path, batch: int | str) -> None:
    """A fixed batch may be filled in part; an export of FastReID takes one crop."""
    path = write_network(
        tmp_path / "net.onnx", TensorLayout.NCHW, batch=batch, dimensions=2049
    )
    embedder = load(path, entry(dimensions=2049))
    colours = [(10 * n, 90, 30) for n in range(1, min(3, embedder.max_batch) + 1)]
    vectors = embedder.embed([plain(colour) for colour in colours])
    assert vectors.shape == (len(colours), 2049)
    for vector, colour in zip(vectors, colours, strict=True):
        assert vector == pytest.approx(unit(colour * 683), abs=1e-6)
    assert embedder.embed([plain()])[0] == pytest.approx(unit(COLOUR * 683), abs=1e-6)


@pytest.mark.parametrize(
    ("layout", "described", "reason"),
    [
        (TensorLayout.NHWC, entry(TensorLayout.NCHW), "expected one input"),
        (TensorLayout.NCHW, entry(dimensions=6), "expected one output of 6"),
    ],
    ids=["layout", "dimensions"],
)
def test_a_network_unlike_its_entry_is_refused(
    tmp_path: Path, layout: TensorLayout, described: object, reason: str
) -> None:
    """Loading says what was expected and what was found."""
    path = write_network(tmp_path / "net.onnx", layout)
    with pytest.raises(UnusableModel, match=reason) as caught:
        load(path, described)
    assert "mean-colour" in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no network at all" * 99])
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: bytes) -> None:
    """What is no ONNX file never becomes an embedder."""
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(UnusableModel, match="mean-colour"):
        load(path, entry())


def test_a_network_that_cannot_be_run_is_refused(tmp_path: Path) -> None:
    """Shapes that fit by name and not inside are found before the first crop."""
    path = tmp_path / "net.onnx"
    shape = onnx.helper.make_tensor("shape", onnx.TensorProto.INT64, [2], [1, 7])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Reshape", ["crops", "shape"], ["vectors"])],
        "of another size",
        [
            onnx.helper.make_tensor_value_info(
                "crops", onnx.TensorProto.FLOAT, ["batch", 3, "height", "width"]
            )
        ],
        [onnx.helper.make_tensor_value_info("vectors", onnx.TensorProto.FLOAT, [1, 7])],
        [shape],
    )
    opset = onnx.helper.make_opsetid("", 13)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.save(model, str(path))
    with pytest.raises(UnusableModel, match="fails on a grey crop"):
        load(path, entry(dimensions=7))


def test_a_network_that_answers_nan_is_refused(tmp_path: Path) -> None:
    """A network without an answer for plain grey is not used at all."""
    path = write_network(tmp_path / "net.onnx", TensorLayout.NCHW, root_of=200.0)
    with pytest.raises(UnusableModel, match="NaN"):
        load(path, entry())


async def test_nan_for_a_crop_is_the_fault_of_the_model(tmp_path: Path) -> None:
    """The crop has no answer, the others of its batch have, and it is counted."""
    path = write_network(tmp_path / "net.onnx", TensorLayout.NCHW, root_of=100.0)
    embedder = load(path, entry())
    counter = BROKEN_ANSWERS.labels(embedder.model.model_id)
    before = counter._value.get()
    async with EmbeddingService(embedder, BatchSettings(max_wait_s=0.2)) as service:
        broken, whole = await asyncio.gather(
            service.embed(plain((0, 200, 200))),
            service.embed(plain((150, 150, 150))),
            return_exceptions=True,
        )
    assert isinstance(broken, BrokenAnswer)
    assert np.isfinite(whole).all()
    assert counter._value.get() == before + 1


async def test_a_crop_without_appearance_is_refused(tmp_path: Path) -> None:
    """A vector of zeros cannot be compared, so it is none."""
    path = write_network(tmp_path / "net.onnx", TensorLayout.NCHW)
    async with EmbeddingService(load(path, entry()), BatchSettings()) as service:
        with pytest.raises(InvalidInput) as caught:
            await service.embed(plain((0, 0, 0)), field="image")
    assert caught.value.field == "image"


def test_crops_are_copied_once_into_the_batch() -> None:
    """A crop of the right size is written straight into the network's array."""
    writer = CropWriter(entry(**IMAGENET).input)
    target = np.full((3, *writer.shape), -7.0, np.float32)
    writer.write([plain(), plain()], target)
    for channel in range(3):
        expected = (COLOUR[channel] - IMAGENET["mean"][channel]) / (
            IMAGENET["deviation"][channel]
        )
        assert target[:2, channel] == pytest.approx(expected, abs=1e-6)
    assert (target[2] == -7.0).all()
