"""Fetch the models that the services will load, while somebody can see it."""

import os
from collections.abc import Callable

from services.common.models import cache_dir, load_registry, locate, model_dir
from services.detector.config import DEFAULT_MODEL

_CHOICES = {
    "SPOTON_DETECTOR_MODEL": DEFAULT_MODEL,
    "SPOTON_REID_EMBEDDER": "stripes",
}


def fetch_models(say: Callable[[str], None]) -> None:
    """Make sure that every configured model has its file.

    Args:
        say: Told what is being fetched.

    Raises:
        Unavailable: No source has a file.
        WrongHash: A file is another one than the registry names.
    """
    entries = load_registry().entries
    for variable, default in _CHOICES.items():
        for name in (os.environ.get(variable) or default).split(","):
            entry = entries.get(name.strip())
            if entry is not None and entry.files:
                locate(entry, model_dir(), cache_dir(), report=say)
