"""Two evaluations side by side, and their differences drawn."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2

from demo.canvas import INK, MUTED, blank, text_width_px, write
from services.pipeline.domain.frames import Pixels
from tests.accuracy.identity.figures import Figures
from tests.accuracy.identity.tables import value_at
from tests.accuracy.identity.unusable import UnusableData
from tests.accuracy.table import Table

SCORES = (
    "idf1",
    "hota",
    "deta",
    "assa",
    "mota",
    "pairs.precision",
    "pairs.recall",
    "arrivals.all.precision",
    "arrivals.all.recall",
)
"""What is compared: in [0, 1], higher is better."""

_BETTER, _WORSE = (46, 139, 87), (200, 60, 60)
_WIDTH, _ROW, _TOP, _LEFT, _RIGHT = 1000, 22, 60, 430, 130

Difference = tuple[str, float, float]
"""Dotted path of a score, its value in the first and in the second evaluation."""


def read(path: Path) -> Mapping[str, Any]:
    """Return what an evaluation wrote.

    Raises:
        UnusableData: There is no such file, or something else in it.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnusableData(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise UnusableData(f"{path} holds no object")
    return content


def differences(first: Figures, second: Figures) -> Sequence[Difference]:
    """Return the scores that both evaluations have, in the order of the first."""
    found = []
    for path in _scored(first):
        for score in SCORES:
            whole = f"{path}.{score}"
            one, two = value_at(first, whole), value_at(second, whole)
            if one is not None and two is not None:
                found.append((whole, one, two))
    return found


def table_of(found: Sequence[Difference], first: Path, second: Path) -> Table:
    """Return both evaluations side by side."""
    rows = [
        (path, f"{one:.3f}", f"{two:.3f}", f"{two - one:+.3f}")
        for path, one, two in found
    ]
    columns = ("score", first.name, second.name, "difference")
    return Table("comparison", "Comparison", columns, rows)


def draw(found: Sequence[Difference], first: Path, second: Path) -> Pixels:
    """Return a picture with a bar for each difference, to the right where better."""
    height = _TOP + _ROW * len(found) + 20
    picture = blank(_WIDTH, height, (255, 255, 255))
    write(picture, f"{second.name} against {first.name}", 20, 32, height_px=15)
    middle = (_LEFT + _WIDTH - _RIGHT) // 2
    largest = max((abs(two - one) for _, one, two in found), default=0.0) or 1.0
    half = (_WIDTH - _RIGHT - _LEFT) // 2
    cv2.line(picture, (middle, _TOP - 8), (middle, height - 12), MUTED, 1)
    for row, (path, one, two) in enumerate(found):
        base = _TOP + _ROW * row + 14
        write(picture, path, 20, base, height_px=11, colour=INK)
        change = two - one
        end = middle + round(half * change / largest)
        colour = _BETTER if change > 0 else _WORSE if change < 0 else MUTED
        cv2.rectangle(picture, (middle, base - 11), (end, base), colour, cv2.FILLED)
        text = f"{one:.3f} {change:+.3f}"
        left = _WIDTH - 20 - text_width_px(text, 11)
        write(picture, text, left, base, height_px=11, colour=colour)
    return picture


def save(picture: Pixels, path: Path) -> None:
    """Write a picture to a PNG file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise OSError(f"{path} could not be written")


def _scored(figures: Figures) -> Iterator[str]:
    """Yield where scores of identities are: of each recording and evidence."""
    for recording, modes in figures.items():
        for mode, own in modes.items() if isinstance(modes, Mapping) else ():
            for when in ("first", "final"):
                if isinstance(own, Mapping) and when in own:
                    yield f"{recording}.{mode}.{when}"
