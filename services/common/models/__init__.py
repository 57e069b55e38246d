"""Which models exist, what they expect, and where their files are."""

from services.common.models.entries import (
    DetectorBackend,
    DetectorEntry,
    DetectorHead,
    EmbedderBackend,
    EmbedderEntry,
    EmbedderInput,
    ModelEntry,
    PixelOrder,
    TensorLayout,
)
from services.common.models.hashing import WrongHash
from services.common.models.locating import (
    LocatedFile,
    LocatedModel,
    cache_dir,
    locate,
    model_dir,
)
from services.common.models.model_file import (
    ModelFile,
    Source,
    UrlSource,
    WheelSource,
)
from services.common.models.registry import Registry, load_registry
from services.common.models.starting import locate_and_log

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
    "locate_and_log",
    "model_dir",
]
