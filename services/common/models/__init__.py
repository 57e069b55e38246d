"""Which models exist, what they expect, and where their files are."""

from services.common.models.entries import (
    DetectorBackend,
    DetectorEntry,
    DetectorHead,
    EmbedderBackend,
    EmbedderEntry,
    EmbedderInput,
    ModelEntry,
    ModelFile,
    PixelOrder,
    Source,
    TensorLayout,
    UrlSource,
    WheelSource,
)
from services.common.models.files import (
    LocatedFile,
    LocatedModel,
    WrongHash,
    cache_dir,
    locate,
    model_dir,
)
from services.common.models.registry import Registry, load_registry

__all__ = [
    "DetectorBackend",
    "DetectorEntry",
    "DetectorHead",
    "EmbedderBackend",
    "EmbedderEntry",
    "EmbedderInput",
    "LocatedFile",
    "LocatedModel",
    "ModelEntry",
    "ModelFile",
    "PixelOrder",
    "Registry",
    "Source",
    "TensorLayout",
    "UrlSource",
    "WheelSource",
    "WrongHash",
    "cache_dir",
    "load_registry",
    "locate",
    "model_dir",
]
