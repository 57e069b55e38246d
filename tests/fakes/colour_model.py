"""A second model beside stripes: a tiny network that a user has registered."""

import hashlib
from pathlib import Path

import pytest

from services.common.models import TensorLayout
from tests.fakes.embedding_network import HEIGHT_PX, WIDTH_PX, write_network

MODEL_ID, DIMENSIONS = "mean-colour", 48

_ENTRY = """
[mean-colour]
kind = "embedder"
backend = "onnx"
licence = "Apache-2.0"
origin = "a test"
dimensions = {dimensions}
match_similarity = 0.5

[mean-colour.file]
name = "mean-colour.onnx"
sha256 = "{sha256}"

[mean-colour.input]
width_px = {width}
height_px = {height}
pixel_order = "rgb"
layout = "nchw"
mean = [0.0, 0.0, 0.0]
deviation = [1.0, 1.0, 1.0]
"""


def register(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Register the model as a user does; return the value of SPOTON_REID_EMBEDDER."""
    path = write_network(
        folder / "mean-colour.onnx", TensorLayout.NCHW, dimensions=DIMENSIONS
    )
    table = folder / "models.toml"
    table.write_text(
        _ENTRY.format(
            dimensions=DIMENSIONS,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            width=WIDTH_PX,
            height=HEIGHT_PX,
        )
    )
    monkeypatch.setenv("SPOTON_MODEL_DIR", str(folder))
    monkeypatch.setenv("SPOTON_MODEL_REGISTRY", str(table))
    return "stripes,mean-colour"
