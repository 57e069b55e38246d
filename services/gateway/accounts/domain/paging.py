"""Pages of a list, by opaque tokens that say where the next one begins."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.common.errors import InvalidInput

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Page(Generic[_T]):
    """Some entries of a list.

    Attributes:
        entries: In the order of the list.
        next_page_token: Asks for those that follow; empty on the last page.
    """

    entries: tuple[_T, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page of a list is wanted.

    Attributes:
        size: Most entries; 0 is the default.
        token: `next_page_token` of the page before; empty for the first.
    """

    size: int = 0
    token: str = ""

    def limit(self) -> int:
        """Return the most entries.

        Raises:
            InvalidInput: The size is out of range.
        """
        if not 0 <= self.size <= MAX_PAGE_SIZE:
            message = f"must be from 0 to {MAX_PAGE_SIZE}, got {self.size}"
            raise InvalidInput(message, field="page_size")
        return self.size or DEFAULT_PAGE_SIZE

    def after(self, listing: str) -> tuple[str, ...]:
        """Return the key of the last entry of the page before; empty for the first.

        Args:
            listing: Name of the list; a token of another list is refused.

        Raises:
            InvalidInput: The token was not given out for this list.
        """
        if not self.token:
            return ()
        try:
            content = json.loads(base64.urlsafe_b64decode(self.token.encode("ascii")))
        except (ValueError, binascii.Error, RecursionError):
            content = None
        match content:
            case [str(name), *key] if name == listing and key:
                if all(isinstance(one, str) and "\x00" not in one for one in key):
                    return tuple(key)
        raise InvalidInput("was not given out for this list", field="page_token")


def page_of(
    entries: Sequence[_T],
    limit: int,
    listing: str,
    key: Callable[[_T], tuple[str, ...]],
) -> Page[_T]:
    """Return a page of `entries`, which hold one more than `limit` when more follow."""
    shown = tuple(entries[:limit])
    token = ""
    if len(entries) > limit:
        content = json.dumps([listing, *key(shown[-1])]).encode()
        token = base64.urlsafe_b64encode(content).decode("ascii")
    return Page(shown, token)
