"""What is revoked, for as long as a token could still be valid."""

from dataclasses import dataclass
from enum import StrEnum

GONE = 2**53
"""Epoch of an account that is deleted: beyond that of any of its tokens."""


class Revoked(StrEnum):
    """What a revocation names."""

    SUBJECT = "subject"
    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - a word.
    SIGNING_KEY = "signing-key"


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens that end before their time.

    Attributes:
        kind: What is named.
        id: Its id.
        epoch: Of a subject: the lowest epoch of tokens still accepted.
    """

    kind: Revoked
    id: str
    epoch: int = 0
