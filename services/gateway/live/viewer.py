"""One viewer: what it sees, and what waits for it."""

from collections.abc import Callable
from typing import Protocol

from services.common.errors import Overloaded, SpotOnError
from services.gateway.live.form import Form, framed
from services.gateway.live.update import Note, Update
from services.gateway.live.view import View
from services.gateway.live.viewer_queue import ViewerQueue
from spoton.live.v1 import live_pb2

MOST_BACKLOG_BYTES = 64 * 1024
"""Bytes that may wait in a connection before a viewer's queue is used."""


OnLost = Callable[[SpotOnError], None]
"""Takes why a viewer is given up."""


class Wire(Protocol):
    """A connection that takes whole frames and never waits."""

    def write(self, frame: bytes, /) -> None:
        """Send a frame as soon as the peer takes it."""

    def backlog(self) -> int:
        """Return how many bytes the peer has not taken yet."""


class Viewer:
    """Gets frames at once while it keeps up, else from its queue.

    Attributes:
        view: What it sees; the fan-out changes it.
        form: How messages are written to it.
    """

    def __init__(
        self,
        wire: Wire,
        form: Form,
        on_lost: OnLost,
        *,
        capacity: int = 64,
        patience_s: float = 10.0,
    ) -> None:
        """Make a viewer who has missed nothing.

        Args:
            wire: The connection.
            form: How messages are written.
            on_lost: Called once when the viewer is given up, with why.
            capacity: Messages to hold before states are left out.
            patience_s: How long messages may wait while none is taken, seconds.
        """
        self.view = View()
        self.form = form
        self._on_lost: OnLost | None = on_lost
        self._wire = wire
        self._queue = ViewerQueue[Update | Note](capacity, patience_s)

    @property
    def waits(self) -> bool:
        """Whether something waits for the viewer to read."""
        return len(self._queue) > 0

    def offer(self, item: Update | Note, frame: bytes, now_s: float) -> None:
        """Take the next item, whose frame is made already."""
        if not self._queue and self._wire.backlog() < MOST_BACKLOG_BYTES:
            self._wire.write(frame)
            return
        self._queue.put(item, now_s=now_s)
        self._check()

    def tell(self, message: live_pb2.LiveMessage, now_s: float) -> None:
        """Take a message that is for this viewer alone."""
        note = Note(message)
        self.offer(note, note.frame(self.view, self.form), now_s)

    def begin_again(self) -> None:
        """Forget what waits: the viewer wants to see something else."""
        self._queue.clear()

    def catch_up(self, items: list[Update], now_s: float) -> None:
        """Take what the viewer has missed, before anything newer."""
        self._queue.fill(
            [item for item in items if item.concerns(self.view)], now_s=now_s
        )
        self.flush(now_s)

    def flush(self, now_s: float) -> None:
        """Write what waits, as far as the connection takes it."""
        while self._wire.backlog() < MOST_BACKLOG_BYTES:
            item = self._queue.take(now_s=now_s)
            if item is None:
                break
            if left_out := self._queue.left_out:
                self._queue.left_out = 0
                coalesced = live_pb2.Coalesced(updates=left_out)
                self._wire.write(
                    framed(live_pb2.LiveMessage(coalesced=coalesced), self.form)
                )
            if frame := item.frame(self.view, self.form):
                self._wire.write(frame)
        self._queue.check(now_s=now_s)
        self._check()

    def lose(self, error: SpotOnError) -> None:
        """Give the viewer up."""
        if self._on_lost is not None:
            self._on_lost(error)
            self._on_lost = None

    def _check(self) -> None:
        if self._queue.gave_up:
            self.lose(Overloaded(self._queue.gave_up))
