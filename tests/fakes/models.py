"""Entries of models that exist in tests only."""

import hashlib

from services.common.ids import ModelId
from services.common.models import (
    EmbedderBackend,
    EmbedderEntry,
    ModelFile,
    Source,
    UrlSource,
    WheelSource,
)

WEIGHTS = b"some weights, of which there are not a few. " * 20_000
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


def entry_of(*files: ModelFile) -> EmbedderEntry:
    """Return a model, called `net`, of these files."""
    return EmbedderEntry(
        model_id=ModelId("net"),
        backend=EmbedderBackend.ONNX,
        licence="Apache-2.0",
        origin="this test",
        files=files,
        dimensions=8,
        match_similarity=0.5,
    )


def net(*sources: str | WheelSource, size_bytes: int | None = None) -> EmbedderEntry:
    """Return a model whose only file, `net.onnx`, holds WEIGHTS."""
    found: tuple[Source, ...] = tuple(
        UrlSource(source) if isinstance(source, str) else source for source in sources
    )
    return entry_of(ModelFile("net.onnx", SHA256, found, size_bytes))


def file_of(name: str, content: bytes, *urls: str) -> ModelFile:
    """Return a file that holds `content`."""
    sources = tuple(UrlSource(url) for url in urls)
    return ModelFile(name, hashlib.sha256(content).hexdigest(), sources)
