"""Checks of values; each error names the field at fault."""

import re

from services.common.errors import InvalidInput

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def require(holds: object, message: str, *, field: str) -> None:
    """Raise InvalidInput unless something holds."""
    if not holds:
        raise InvalidInput(message, field=field)


def require_within(value: float, least: float, most: float, *, field: str) -> None:
    """Raise InvalidInput unless a value lies in a closed range."""
    require(
        least <= value <= most,
        f"must be from {least:g} to {most:g}, not {value:g}",
        field=field,
    )


def require_name(name: str, *, field: str) -> None:
    """Raise InvalidInput unless a name can be that of a file."""
    require(
        _NAME.fullmatch(name),
        f"must consist of letters, digits, '.', '_' and '-', not {name!r}",
        field=field,
    )


def require_sha256(sha256: str) -> None:
    """Raise InvalidInput unless this is a hash."""
    require(
        _SHA256.fullmatch(sha256),
        f"must be 64 hexadecimal digits in lower case, not {sha256!r}",
        field="sha256",
    )
