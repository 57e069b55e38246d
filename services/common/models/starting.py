"""What a service does with its models' files when it starts."""

from pathlib import Path

import structlog

from services.common.models.entries import ModelEntry
from services.common.models.locating import LocatedModel, locate

_log = structlog.get_logger(__name__)


def locate_and_log(
    entry: ModelEntry, model_dir: Path | None, cache_dir: Path
) -> LocatedModel:
    """Locate a model's files, and say in the log which they are and where from.

    Raises:
        NotFound, WrongHash, Unavailable: As `locate` does.
    """
    located = locate(entry, model_dir, cache_dir, report=_log.info)
    for file in located.files:
        _log.info(
            "model file",
            model_id=located.model_id,
            path=str(file.path),
            sha256=file.sha256,
            origin=file.origin,
        )
    return located
