"""JSON as text: what the gateway reads and writes, more strictly than the default."""

import json
from typing import Any

from services.common.errors import InvalidInput

_MAX_DEPTH = 64


def json_bytes(value: Any) -> bytes:
    """Return a value as compact UTF-8."""
    return json.dumps(
        value, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    ).encode()


def parse_json(body: bytes) -> Any:
    """Return what `body` says.

    Raises:
        InvalidInput: It is not UTF-8, not JSON, nested too deep, or an object has a
            key twice, which two readers could understand differently.
    """
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=_object, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise _deep() from None
    except UnicodeDecodeError:
        raise InvalidInput("the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidInput(f"the body is no JSON: {error.msg}, {place}") from None
    except ValueError as error:
        raise InvalidInput(f"the body is no JSON: {error}") from None
    if body.count(b"[") + body.count(b"{") > _MAX_DEPTH:
        _require_shallow(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InvalidInput("the key stands twice in one object", field=twice)
    if None in members.values():
        empty = next(key for key, value in pairs if value is None)
        raise InvalidInput("is null; leave it out instead", field=empty)
    return members


def _refuse_constant(name: str) -> Any:
    raise InvalidInput(f"{name} is no JSON; where it is allowed it is a string")


def _require_shallow(value: Any) -> None:
    """Refuse a value that is nested too deep, level by level."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, list | dict)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, list | dict)
        ]
        if not level:
            return
    raise _deep()


def _deep() -> InvalidInput:
    return InvalidInput(f"the JSON is nested deeper than {_MAX_DEPTH} levels")
