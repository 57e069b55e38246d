"""Files of OpenCV's `FileStorage`, in its YAML, JSON and XML.

Only what calibrations need is read: numbers and lists of numbers at the top level.
Everything else is passed over. The YAML is the subset that OpenCV writes, so that
neither a YAML parser nor OpenCV has to come along.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.mapper.domain.calibration_files.markup import xml_root
from services.mapper.domain.calibration_files.source import SourceFile
from services.mapper.domain.homography import FloatArray

_YAML_LIST = re.compile(r"\[([^\]]*)(\]?)")
_JSON_COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
_JSON_SPECIAL = re.compile(r"(?<=[\s\[,:])(-?)\.(?:Nan|Inf)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Storage:
    """The numbers of a file.

    Attributes:
        file: The file.
        entries: Numbers as they are spelled, by `canonical` name.
    """

    file: SourceFile
    entries: Mapping[str, tuple[str, ...]]

    def has(self, name: str) -> bool:
        """Return whether there is such an entry."""
        return canonical(name) in self.entries

    def numbers(self, name: str, *counts: int) -> FloatArray:
        """Return the numbers of an entry, row by row.

        Args:
            name: Name of the entry.
            counts: How many there may be.

        Raises:
            InvalidInput: It is missing, too short or too long, or holds something
                else.
        """
        spelled = self.entries.get(canonical(name))
        if spelled is None:
            raise self.file.refusal(name, "is missing")
        if len(spelled) not in counts:
            wanted = " or ".join(map(str, counts))
            message = f"needs {wanted} numbers, got {len(spelled)}"
            raise self.file.refusal(name, message)
        return np.array([self.file.number(one, name) for one in spelled])

    def number(self, name: str) -> float:
        """Return the number of an entry.

        Raises:
            InvalidInput: It is missing or something else.
        """
        return float(self.numbers(name, 1)[0])


def canonical(name: str) -> str:
    """Return a name without case and underscores, which vary between samples.

    >>> canonical("Camera_Matrix")
    'cameramatrix'
    """
    return name.replace("_", "").lower()


def read_storage(file: SourceFile) -> Storage:
    """Return the numbers of a file.

    Raises:
        InvalidInput: It is not of a form that OpenCV writes, or names an entry twice.
    """
    start = file.content.lstrip()[:1]
    read = {"<": _xml_entries, "{": _json_entries}.get(start, _yaml_entries)
    entries: dict[str, tuple[str, ...]] = {}
    for name, spelled in read(file):
        if canonical(name) in entries:
            raise file.refusal(name[:40], "is there twice")
        entries[canonical(name)] = tuple(spelled)
    return Storage(file, entries)


def _xml_entries(file: SourceFile) -> list[tuple[str, list[str]]]:
    entries = []
    for element in xml_root(file, "opencv_storage"):
        data = element.find("data")
        text = (element if data is None else data).text or ""
        entries.append((element.tag, text.split()))
    return entries


def _json_entries(file: SourceFile) -> list[tuple[str, list[str]]]:
    text = _JSON_SPECIAL.sub(r"\1NaN", _JSON_COMMENT.sub("", file.content))
    try:
        document = json.loads(text.replace("-NaN", "NaN"))
    except (ValueError, RecursionError) as error:
        raise file.refusal("", f"is not JSON: {error}") from None
    return [(name, _spelled(value)) for name, value in document.items()]


def _spelled(value: Any) -> list[str]:
    """Return the numbers of a JSON value: of a matrix, a list, or a list of rows."""
    if isinstance(value, dict):
        value = value.get("data")
    rows = value if isinstance(value, list) else [value]
    return [
        str(entry)
        for row in rows
        for entry in (row if isinstance(row, list) else [row])
    ]


def _yaml_entries(file: SourceFile) -> list[tuple[str, list[str]]]:
    if not file.content.lstrip().startswith("%YAML"):
        raise file.refusal("", "is neither YAML (%YAML:1.0), JSON nor XML")
    blocks: list[tuple[str, list[str]]] = []
    for index, line in enumerate(file.content.splitlines()):
        text = line.strip()
        if not text or text.startswith(("#", "%", "---", "...")):
            continue
        if line[0].isspace() and blocks:
            blocks[-1][1].append(text)
            continue
        name, colon, rest = line.partition(":")
        if not colon:
            raise file.refusal(f"line {index + 1}", "is not `name: value`")
        blocks.append((name.strip(), [rest]))
    return [(name, _yaml_numbers(file, name, lines)) for name, lines in blocks]


def _yaml_numbers(file: SourceFile, name: str, lines: list[str]) -> list[str]:
    text = " ".join(lines)
    listed = _YAML_LIST.search(text)
    if listed is None:
        return text.split()
    if not listed[2]:
        raise file.refusal(name, "is cut off: its list does not end")
    return listed[1].replace(",", " ").split()
