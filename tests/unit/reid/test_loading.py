"""Which embedders a configuration loads."""

import hashlib
import sys
from pathlib import Path

import pytest

from services.common.devices import UnusableModel
from services.common.environ import ConfigError
from services.common.errors import NotFound, NotReady, Unavailable
from services.common.models import WrongHash
from services.reid.bootstrap import load_embedders
from services.reid.config import ReidConfig, load_config
from tests.fakes import colour_model
from tests.fakes.devices import SeenDevices
from tests.unit.reid.test_config import REQUIRED


def config(names: str) -> ReidConfig:
    """Return a configuration with these embedders."""
    return load_config({**REQUIRED, "SPOTON_REID_EMBEDDER": names})


def test_embedders_are_loaded_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network of the user's and colour stripes run side by side."""
    colour_model.register(tmp_path, monkeypatch)
    watch = SeenDevices()
    loaded = load_embedders(config("mean-colour, stripes"), watch)
    names = [one.model.model_id for one in loaded]
    assert names == ["mean-colour", "stripes-hsv-v1"]
    assert [name for name, _ in watch.devices] == ["mean-colour"]


def test_one_model_by_two_names_is_refused() -> None:
    """`stripes` is a name for the stripes of the registry."""
    with pytest.raises(ConfigError, match="twice"):
        load_embedders(config("stripes,stripes-hsv-v1"), SeenDevices())


def test_an_unknown_embedder_lists_those_that_are_known() -> None:
    """Whoever mistypes a name reads the right ones."""
    with pytest.raises(NotFound, match="osnet-x0-25-msmt17"):
        load_embedders(config("osnet"), SeenDevices())


def test_a_missing_library_is_told_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for the files of CLIP to learn that torch is not installed."""
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setenv("SPOTON_MODEL_CACHE", str(tmp_path / "cache"))
    with pytest.raises(NotReady, match="variant torch"):
        load_embedders(config("clip-vit-b32"), SeenDevices())
    assert not (tmp_path / "cache").exists()


def test_files_that_are_not_as_registered_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Absent, exchanged, or registered and no network: each has its own error."""
    colour_model.register(tmp_path, monkeypatch)
    file, table = tmp_path / "mean-colour.onnx", tmp_path / "models.toml"
    right = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(b"another file")
    with pytest.raises(WrongHash):
        load_embedders(config("mean-colour"), SeenDevices())
    wrong = hashlib.sha256(b"another file").hexdigest()
    table.write_text(table.read_text().replace(right, wrong))
    with pytest.raises(UnusableModel, match="mean-colour"):
        load_embedders(config("mean-colour"), SeenDevices())
    file.unlink()
    monkeypatch.setenv("SPOTON_MODEL_CACHE", str(tmp_path / "cache"))
    with pytest.raises(Unavailable, match=r"mean-colour\.onnx"):
        load_embedders(config("mean-colour"), SeenDevices())
