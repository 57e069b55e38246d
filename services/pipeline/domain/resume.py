"""Tokens that say where in an environment's event log a reader stands."""

import base64
import binascii

from services.common.errors import InvalidInput
from services.common.ids import EnvironmentId

_VERSION = "1"
_MAX_SEQUENCE = 2**53


def resume_token(environment_id: EnvironmentId, sequence: int) -> str:
    """Return the token of a reader that has everything up to `sequence`.

    >>> sequence_from_token(resume_token(EnvironmentId("plaza"), 7), "plaza")
    7
    """
    text = f"{_VERSION}:{environment_id}:{sequence}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def sequence_from_token(token: str, environment_id: EnvironmentId) -> int:
    """Return the sequence that a token of this environment names.

    Raises:
        InvalidInput: The token was not made by `resume_token` for the environment.
    """
    padded = token + "=" * (-len(token) % 4)
    try:
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        raise _no_token() from None
    version, _, rest = text.partition(":")
    name, _, digits = rest.partition(":")
    if version != _VERSION or not (digits.isascii() and digits.isdigit()):
        raise _no_token()
    if name != environment_id:
        raise InvalidInput("is of another environment", field="resume_token")
    if int(digits[:20]) > _MAX_SEQUENCE:
        raise _no_token()
    return int(digits)


def _no_token() -> InvalidInput:
    return InvalidInput("is not a token that was handed out", field="resume_token")
