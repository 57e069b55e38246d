"""Bring a file here in as many pieces as it takes, each where the last one ended."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from services.common.models.sources.failures import Interrupted, SourceFailed
from services.common.models.sources.pace import Pace, Patience
from services.common.models.sources.partial import Partial

Report = Callable[[str], None]
"""Takes one line about what is going on."""

_CHUNK_BYTES = 1 << 18


class Body(Protocol):
    """Bytes of an answer, as they come."""

    def read1(self, size: int, /) -> bytes:
        """Return at least one byte, or nothing at the end.

        Raises:
            Interrupted: The connection broke, or was silent for too long.
        """


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source answered.

    Attributes:
        body: The bytes from `offset` on.
        offset: Where they begin; 0 if the source gives the file from its start.
        total_bytes: Size of the whole file; None when the source does not say.
        validator: Name of this version of the file; None when it has none, and then
            the transfer cannot be resumed.
    """

    body: Body
    offset: int
    total_bytes: int | None
    validator: str | None


Ask = Callable[[int, str | None], AbstractContextManager[Answer]]
"""Asks for the bytes from an offset on, if the version is still the named one.

Raises SourceFailed where asking again is of no use, and Interrupted where it may be.
"""


class Transfer:
    """One file on its way from one source."""

    def __init__(
        self,
        title: str,
        partial: Partial,
        *,
        size_bytes: int | None,
        patience: Patience,
        report: Report,
    ) -> None:
        """Prepare a transfer.

        Args:
            title: Name of the file, for lines of progress.
            partial: What is here already; grows.
            size_bytes: The only size that is accepted; None accepts any.
            patience: How long the source may keep us waiting.
            report: Told how far it is.
        """
        self._title = title
        self._partial = partial
        self._size_bytes = size_bytes
        self._patience = patience
        self._report = report

    def run(self, ask: Ask) -> None:
        """Fetch what is missing.

        Raises:
            SourceFailed: It cannot be had, is of another size, or comes too slowly.
        """
        fruitless = 0
        while True:
            before = self._partial.size_bytes
            try:
                if self._attempt(ask):
                    return
                reason = "the connection was closed early"
            except Interrupted as error:
                reason = str(error)
            advanced = self._partial.size_bytes - before
            fruitless = 0 if advanced >= _CHUNK_BYTES else fruitless + 1
            if fruitless >= self._patience.attempts:
                got_mb = self._partial.size_bytes / 1e6
                raise SourceFailed(f"{reason}, {fruitless} times; got {got_mb:.1f} MB")

    def _attempt(self, ask: Ask) -> bool:
        """Append one answer; return whether the file is complete now."""
        validator = self._partial.validator
        offset = self._partial.size_bytes if validator else 0
        with ask(offset, validator if offset else None) as answer:
            self._require_size(answer.total_bytes)
            same = answer.validator == validator and answer.offset == offset
            if answer.offset and not same:
                # Another version, and not from its start: only asking anew helps.
                self._partial.discard()
                raise Interrupted("the file changed while it was fetched")
            if not answer.offset:
                self._partial.restart(answer.validator)
            self._append(answer)
            wanted = answer.total_bytes or self._size_bytes
        return wanted is None or self._partial.size_bytes == wanted

    def _append(self, answer: Answer) -> None:
        """Write an answer behind what is here."""
        pace = Pace(self._patience)
        with self._partial.path.open("ab", buffering=0) as written:
            while chunk := answer.body.read1(_CHUNK_BYTES):
                written.write(chunk)
                self._require_most(written.tell())
                pace.advance(len(chunk))
                if pace.report_is_due():
                    self._say(written.tell(), answer.total_bytes)

    def _require_size(self, total_bytes: int | None) -> None:
        """Refuse a file of another size before it is fetched."""
        if self._size_bytes and total_bytes and total_bytes != self._size_bytes:
            raise SourceFailed(
                f"has {total_bytes} bytes; the registry says {self._size_bytes}"
            )

    def _require_most(self, size_bytes: int) -> None:
        """Refuse a file that does not end where it should."""
        if self._size_bytes and size_bytes > self._size_bytes:
            self._partial.discard()
            raise SourceFailed(f"has more than the registry's {self._size_bytes} bytes")

    def _say(self, size_bytes: int, total_bytes: int | None) -> None:
        """Report how far it is."""
        whole = f" of {total_bytes / 1e6:.1f}" if total_bytes else ""
        self._report(f"{self._title}: {size_bytes / 1e6:.1f}{whole} MB")
