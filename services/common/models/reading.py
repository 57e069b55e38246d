"""Read tables of TOML into frozen dataclasses, by the types of their fields."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from services.common.errors import InvalidInput

T = TypeVar("T")

_TOML_NAMES = {str: "a text", int: "an integer", float: "a number", bool: "a boolean"}


def read(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    """Return the value that a table describes.

    Args:
        kind: A dataclass of texts, numbers, booleans, StrEnums, tuples, dataclasses.
        table: Its fields; those that have a default may be absent.
        where: Path of the table, for errors.

    Raises:
        InvalidInput: A field is absent, unknown, or of the wrong type or range; the
            error names its path.
    """
    hints = get_type_hints(kind)
    known: dict[str, Field[Any]] = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for name in table:
        if name not in known:
            message = f"is unknown; known are {', '.join(known)}"
            raise InvalidInput(message, field=f"{where}.{name}")
    for name, field in known.items():
        absent = field.default is MISSING and field.default_factory is MISSING
        if absent and name not in table:
            raise InvalidInput("is missing", field=f"{where}.{name}")
    values = {
        name: _value(hints[name], table[name], f"{where}.{name}") for name in table
    }
    try:
        return kind(**values)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=f"{where}.{error.field}") from None


def _value(hint: Any, value: Any, where: str) -> Any:
    """Return one field."""
    origin, choices = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        return _value(_chosen(choices, value), value, where)
    if origin is tuple:
        return _items(choices, value, where)
    if is_dataclass(hint):
        _require(isinstance(value, Mapping), "a table", value, where)
        return read(hint, value, where)  # type: ignore[arg-type]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        known = [str(member) for member in hint]
        _require(value in known, f"one of {', '.join(known)}", value, where)
        return hint(value)
    # A NewType is what it was made from.
    plain = getattr(hint, "__supertype__", hint)
    if plain is float and type(value) is int:
        return float(value)
    _require(type(value) is plain, _TOML_NAMES[plain], value, where)
    return value


def _chosen(choices: tuple[Any, ...], value: Any) -> Any:
    """Return the type of a union that a value is meant for.

    Of several dataclasses it is the one whose first field is in the table.
    """
    present = [choice for choice in choices if choice is not types.NoneType]
    for choice in present:
        by_table = is_dataclass(choice) and isinstance(value, Mapping)
        if by_table and fields(choice)[0].name in value:
            return choice
    return present[0]


def _items(choices: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    """Return a tuple of any length (`tuple[X, ...]`) or of a fixed one."""
    _require(isinstance(value, list), "a list", value, where)
    if choices[-1] is Ellipsis:
        choices = (choices[0],) * len(value)
    _require(len(value) == len(choices), f"{len(choices)} values", value, where)
    return tuple(
        _value(choice, item, f"{where}[{index}]")
        for index, (choice, item) in enumerate(zip(choices, value, strict=True))
    )


def _require(holds: object, wanted: str, value: Any, where: str) -> None:
    """Raise InvalidInput unless something holds."""
    if not holds:
        raise InvalidInput(f"must be {wanted}, not {value!r}", field=where)
