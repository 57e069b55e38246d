"""Values as JSON documents, for the store and for exported files.

The dataclasses of `environment` are their own schema: keys are the names of fields, in
their order, and what is absent or empty by default is left out. Times are RFC 3339,
durations seconds with an `s`, bytes base64, as in the JSON form of the protos.
"""

import base64
import binascii
import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from services.common.errors import InvalidInput

T = TypeVar("T")

_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,6}))?s")


def to_document(value: object) -> Any:
    """Return what `json` can write for a value.

    >>> from services.mapper.domain.environment import Floor, ImagePoint, Polygon
    >>> to_document(Polygon((ImagePoint(1.0, 2.0),)))
    {'corners': [{'x': 1.0, 'y': 2.0}]}
    >>> to_document(Floor("ground"))
    {'floor_id': 'ground'}
    """
    if dataclasses.is_dataclass(value):
        return {
            field.name: to_document(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != _default(field)
        }
    if isinstance(value, tuple):
        return [to_document(entry) for entry in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return _duration_text(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value


def from_document(document: object, kind: type[T], path: str) -> T:
    """Return the value that a document stands for.

    Args:
        document: What `json` read.
        kind: A dataclass, or a type that one may have for a field.
        path: Path of the document within the whole, for errors.

    Raises:
        InvalidInput: A field is unknown, missing or of the wrong type; it is named.

    >>> from services.mapper.domain.environment import ImagePoint
    >>> from_document({"x": 1, "y": 2.5}, ImagePoint, "$")
    ImagePoint(x=1.0, y=2.5)
    """
    if dataclasses.is_dataclass(kind):
        return typing.cast("T", _dataclass(document, kind, path))
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        entries = _expect(document, list, "a list", path)
        values = (
            from_document(entry, arguments[0], f"{path}[{index}]")
            for index, entry in enumerate(entries)
        )
        return typing.cast("T", tuple(values))
    if origin is types.UnionType:
        (inner,) = (entry for entry in arguments if entry is not types.NoneType)
        return typing.cast(
            "T", None if document is None else from_document(document, inner, path)
        )
    return typing.cast("T", _READERS[kind](document, path))


def _dataclass(document: object, kind: type, path: str) -> object:
    entries = _expect(document, dict, "an object", path)
    fields = _fields(kind)
    for name in entries:
        if name not in fields:
            raise InvalidInput("is not a known field", field=f"{path}.{name}")
    values = {}
    for name, (annotation, required) in fields.items():
        if name in entries:
            values[name] = from_document(entries[name], annotation, f"{path}.{name}")
        elif required:
            raise InvalidInput("is missing", field=f"{path}.{name}")
    return kind(**values)


@cache
def _fields(kind: type) -> dict[str, tuple[Any, bool]]:
    """Return type and necessity of each field of a dataclass."""
    annotations = typing.get_type_hints(kind)
    return {
        field.name: (annotations[field.name], _default(field) is dataclasses.MISSING)
        for field in dataclasses.fields(kind)
    }


def _default(field: "dataclasses.Field[Any]") -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _expect(document: object, kind: type[T], name: str, path: str) -> T:
    if not isinstance(document, kind) or isinstance(document, bool):
        raise InvalidInput(f"must be {name}", field=path)
    return document


def _read_text(document: object, path: str) -> str:
    text = _expect(document, str, "a text", path)
    # JSON can spell half of a surrogate pair, which nothing can store.
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInput("is not Unicode", field=path)
    return text


def _read_flag(document: object, path: str) -> bool:
    if not isinstance(document, bool):
        raise InvalidInput("must be true or false", field=path)
    return document


def _read_integer(document: object, path: str) -> int:
    return _expect(document, int, "an integer", path)


def _read_number(document: object, path: str) -> float:
    if isinstance(document, int):
        document = _finite_float(_expect(document, int, "a number", path))
    number = _expect(document, float, "a number", path)
    if not math.isfinite(number):
        raise InvalidInput("is not finite", field=path)
    return number


def _finite_float(number: int) -> float:
    """Return an integer as a float; infinite when no float is as large."""
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _read_time(document: object, path: str) -> datetime:
    text = _expect(document, str, "a text", path)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise InvalidInput("must be a time as 2026-01-31T12:00:00Z", field=path)
    return time.astimezone(UTC)


def _duration_text(duration: timedelta) -> str:
    whole, fraction = divmod(abs(duration) // timedelta(microseconds=1), 1_000_000)
    sign = "-" if duration < timedelta(0) else ""
    return f"{sign}{whole}.{fraction:06d}s"


def _read_duration(document: object, path: str) -> timedelta:
    match = _DURATION.fullmatch(_expect(document, str, "a text", path))
    if match is None:
        raise InvalidInput("must be a duration as 0.040s", field=path)
    sign, whole, fraction = match.groups()
    microseconds = int((fraction or "").ljust(6, "0"))
    duration = timedelta(seconds=int(whole), microseconds=microseconds)
    return -duration if sign else duration


def _read_bytes(document: object, path: str) -> bytes:
    try:
        return base64.b64decode(_expect(document, str, "a text", path), validate=True)
    except binascii.Error:
        raise InvalidInput("must be base64", field=path) from None


_READERS: dict[Any, Callable[[object, str], object]] = {
    str: _read_text,
    bool: _read_flag,
    int: _read_integer,
    float: _read_number,
    datetime: _read_time,
    timedelta: _read_duration,
    bytes: _read_bytes,
}
