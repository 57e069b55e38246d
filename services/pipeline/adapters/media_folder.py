"""Where recordings may lie."""

from pathlib import Path

from services.common.errors import InvalidInput, NotFound

_FIELD = "camera.source.file.path"


def find_recording(path: str, media_dir: Path, *, allow_outside: bool) -> Path:
    """Return the file that a camera's source names.

    Args:
        path: Absolute, or relative to the media folder.
        media_dir: The media folder.
        allow_outside: Whether paths may lead out of it. Links are followed before
            that is decided.

    Raises:
        InvalidInput: The path is empty, or leads out of the media folder.
        NotFound: There is no such file.
    """
    if not path or "\0" in path:
        raise InvalidInput("must name a file", field=_FIELD)
    root = media_dir.resolve()
    found = (root / path).resolve()
    if not allow_outside and not found.is_relative_to(root):
        raise InvalidInput(f"{path!r} leads out of the media folder", field=_FIELD)
    if not found.is_file():
        raise NotFound(f"there is no recording {path!r}", field=_FIELD)
    return found
