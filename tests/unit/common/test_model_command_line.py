"""Models are listed, fetched, verified and described from the command line."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.common.ids import ModelId
from services.common.models import TensorLayout, locate
from services.common.models.__main__ import main
from services.common.models.network_shapes import NetworkShapes
from services.common.models.presence import Where, presence_of
from services.common.models.registry import read_entries
from tests.fakes.models import entry_of, file_of
from tests.fakes.networks import write_network

Shape = tuple[int, ...]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep models in a folder of the test's own; return the user's part."""
    for name in ("models", "cache"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("SPOTON_MODEL_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("SPOTON_MODEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SPOTON_MODEL_REGISTRY", raising=False)
    return tmp_path / "models"


def described(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    """Return the only entry that `describe` writes."""
    assert main(["describe", *arguments]) == 0
    (entry,) = tomllib.loads(capsys.readouterr().out).values()
    assert isinstance(entry, dict)
    return entry


def test_lists_what_is_here_and_what_is_not(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list tells place, hash and licence, and which models were not measured."""
    (place / "yolox_nano_416x416.onnx").write_bytes(b"something else")
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in lines[1:]}
    assert "local" in rows["yolox-nano"]
    assert "WRONG" in rows["yolox-nano"]
    assert "needs no file" in rows["stripes-hsv-v1"]
    assert "put it into SPOTON_MODEL_DIR" in rows["osnet-x0-25-msmt17"]
    assert "can be fetched, 35.9 MB" in rows["yolox-s"]
    assert "yolox-s *" in rows["yolox-s"]
    assert lines[-1].startswith("* not measured here")


def test_verify_fails_on_a_wrong_file(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`verify` passes where nothing is wrong, and names what is."""
    assert main(["verify"]) == 0
    wrong = place / "yolox_nano_416x416.onnx"
    wrong.write_bytes(b"something else")
    assert main(["verify"]) == 1
    assert f"WRONG  yolox-nano  {wrong}" in capsys.readouterr().out


def test_verify_names_the_missing_file_of_a_folder(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that lacks a file is incomplete, which is not right."""
    (place / "clip-vit-b32").mkdir()
    (place / "clip-vit-b32" / "config.json").write_text("{}")
    assert main(["verify"]) == 1
    assert "MISSING  clip-vit-b32  pytorch_model.bin" in capsys.readouterr().out


def test_verify_looks_where_a_service_would(place: Path) -> None:
    """An incomplete folder of the user's is no fault while the cache has all files."""
    files = {"a.bin": b"a", "b.bin": b"b"}
    for folder, names in ((place, ["a.bin"]), (place.parent / "cache", list(files))):
        (folder / "pair").mkdir()
        for name in names:
            (folder / "pair" / name).write_bytes(files[name])
    entry = entry_of(*(file_of(name, content) for name, content in files.items()))
    pair = replace(entry, model_id=ModelId("pair"))
    found = presence_of(pair, place, place.parent / "cache")
    assert (found.where, found.is_right) == (Where.CACHE, True)
    assert locate(pair, place, place.parent / "cache").path == next(
        path.parent for path in found.hashes
    )


def test_fetch_says_why_it_cannot(capsys: pytest.CaptureFixture[str]) -> None:
    """`fetch` ends with 1 and the reason; a name that is unknown is refused."""
    assert main(["fetch", "yolox-nano"]) == 1
    assert "SPOTON_MODEL_DIR" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["fetch", "nothing"])


def test_a_bad_table_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A user's table that is wrong ends the command with file, entry and field."""
    own = tmp_path / "own.toml"
    own.write_text("[mine]\nkind = 1")
    monkeypatch.setenv("SPOTON_MODEL_REGISTRY", str(own))
    assert main(["list"]) == 1
    assert capsys.readouterr().err.startswith(f"{own}: mine.kind: must be")


@pytest.mark.parametrize(
    ("outputs", "head"),
    [
        ({"output": (126, 85)}, "yolox"),
        ({"output0": (84, 126)}, "yolo"),
        ({"output0": (300, 6)}, "yolo"),
        ({"output0": (378, 85)}, "yolo"),
        ({"logits": (300, 80), "pred_boxes": (300, 4)}, "rtdetr"),
        ({"labels": (300,), "boxes": (300, 4), "scores": (300,)}, "rtdetr"),
        ({"dets": (300, 4), "labels": (300, 91)}, "rfdetr"),
    ],
)
def test_describe_guesses_the_head(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    outputs: dict[str, Shape],
    head: str,
) -> None:
    """The head follows from the outputs, and what is written can be loaded."""
    zeros = {name: np.zeros(shape, np.float32) for name, shape in outputs.items()}
    path = write_network(tmp_path / "My net.v2.onnx", zeros)
    assert main(["describe", str(path)]) == 0
    own = tmp_path / "own.toml"
    own.write_text(capsys.readouterr().out.replace("My net.v2.onnx", "net.onnx"))
    entry = read_entries(own)["my-net-v2"]
    assert (entry.head, entry.measured) == (head, False)
    assert (entry.input_width_px, entry.input_height_px) == (96, 64)
    assert entry.files[0].size_bytes == path.stat().st_size


def test_describe_says_what_it_cannot_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Outputs of no known family leave the head open, and loading asks for it."""
    odd = {"x": np.zeros((7, 7), np.float32), "y": np.zeros(3, np.float32)}
    path = write_network(tmp_path / "odd.onnx", odd, size=("height", "width"))
    assert main(["describe", str(path)]) == 0
    text = capsys.readouterr().out
    assert "# To fill in: the outputs do not tell the head" in text
    assert "# To fill in: the network takes any size" in text
    assert tomllib.loads(text)["odd"]["head"] == ""


def test_describe_counts_the_classes_of_rfdetr_from_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The people of an RF-DETR of COCO are class 1, those of the others class 0."""
    rfdetr = {"dets": np.zeros((9, 4)), "labels": np.zeros((9, 91))}
    yolo = {"output0": np.zeros((8, 84))}
    classes = [
        described(capsys, str(write_network(tmp_path / name, outputs, size=(64, 64))))
        for name, outputs in (("rfdetr.onnx", rfdetr), ("yolo.onnx", yolo))
    ]
    assert [one.get("person_class", 0) for one in classes] == [1, 0]


def test_describe_recognises_an_embedder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One vector a picture makes an embedder, with its length, size and layout."""
    vector = {"vector": np.zeros((64, 1, 1), np.float32)}
    path = write_network(tmp_path / "reid.onnx", vector, size=(256, 128))
    entry = described(capsys, str(path))
    assert (entry["kind"], entry["dimensions"]) == ("embedder", 64)
    taken = entry["input"]
    assert isinstance(taken, dict)
    assert (taken["width_px"], taken["height_px"]) == (128, 256)
    assert taken["layout"] == "nchw"
    other = described(capsys, str(path), "--kind", "detector")
    assert other["kind"] == "detector"


def test_the_place_of_the_channels_tells_the_layout() -> None:
    """Three channels are last or first, and width and height follow from that."""
    shapes = NetworkShapes({"picture": (None, 256, 128, 3)}, {})
    assert shapes.layout is TensorLayout.NHWC
    assert shapes.size_px == (128, 256)
    assert NetworkShapes({"picture": (1, 9, 8, 7)}, {}).size_px is None
    assert NetworkShapes({"vector": (1, 9)}, {}).layout is None


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "rt_detr_v2"}, ("detector", "transformers", "rtdetr")),
        ({"model_type": "clip", "projection_dim": 512}, ("embedder", "clip", None)),
    ],
)
def test_describe_reads_a_folder_of_transformers(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    config: dict[str, object],
    expected: tuple[str, str, str | None],
) -> None:
    """A folder is told by its config.json, and every file of it is named."""
    folder = tmp_path / "Folder"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"weights")
    entry = described(capsys, str(folder))
    assert (entry["kind"], entry["backend"], entry.get("head")) == expected
    files = entry["files"]
    assert isinstance(files, list)
    assert [file["name"] for file in files] == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent.onnx", None, "does not exist"),
        ("net.pt", b"x", "must be an .onnx or .tflite file"),
        ("net.onnx", b"not a network", "is no network that can be run"),
    ],
)
def test_describe_refuses_what_is_no_model(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    reason: str,
) -> None:
    """The error names the file and the reason."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["describe", str(tmp_path / name)]) == 1
    assert reason in capsys.readouterr().err
