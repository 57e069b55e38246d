"""Which models exist, what they expect, and where their files are."""

from services.common.models.files import WrongHash, cache_dir, locate, model_dir
from services.common.models.registry import (
    DetectorEntry,
    EmbedderEntry,
    EmbedderInput,
    ModelEntry,
    ModelFile,
    PixelOrder,
    Registry,
    TensorLayout,
    UrlSource,
    WheelSource,
    load_registry,
)

__all__ = [
    "DetectorEntry",
    "EmbedderEntry",
    "EmbedderInput",
    "ModelEntry",
    "ModelFile",
    "PixelOrder",
    "Registry",
    "TensorLayout",
    "UrlSource",
    "WheelSource",
    "WrongHash",
    "cache_dir",
    "load_registry",
    "locate",
    "model_dir",
]
