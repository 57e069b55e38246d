"""What is told to viewers: each message is written once for each way of seeing it."""

from services.gateway.live.form import Form, framed
from services.gateway.live.view import Response, View, narrowed
from spoton.live.v1 import live_pb2


class Update:
    """A message of the environment's events.

    Attributes:
        response: The message.
        state_of: Session whose state it tells; empty for an event.
        cameras: Cameras that the state tells about.
    """

    __slots__ = ("_frames", "_narrowed", "cameras", "response", "state_of")

    def __init__(self, response: Response) -> None:
        tracking = response.event.tracking
        self.response = response
        self.state_of = tracking.session_id
        self.cameras = frozenset(one.frame.camera_id for one in tracking.cameras)
        self._narrowed: dict[View, Response | None] = {}
        self._frames: dict[tuple[View, Form], bytes] = {}

    @property
    def sequence(self) -> int:
        """Position in the environment's stream; 0 for a sign of life."""
        return self.response.event.sequence

    def concerns(self, view: View) -> bool:
        """Return whether a view shows anything of it."""
        return self.seen(view) is not None

    def frame(self, view: View, form: Form) -> bytes:
        """Return what a view shows, as it is written to viewers; maybe nothing."""
        key = (view, form)
        if key not in self._frames:
            seen = self.seen(view)
            self._frames[key] = (
                b"" if seen is None else framed(live_pb2.LiveMessage(update=seen), form)
            )
        return self._frames[key]

    def forget(self) -> None:
        """Drop what was written; it is made again if somebody is late."""
        self._narrowed.clear()
        self._frames.clear()

    def seen(self, view: View) -> Response | None:
        """Return what a view shows of it, if that is anything."""
        if view.is_whole:
            return self.response
        if view not in self._narrowed:
            self._narrowed[view] = narrowed(self.response, view)
        return self._narrowed[view]


class Note:
    """A message to one viewer or to all, which is never left out.

    Attributes:
        state_of: Empty: it is no state.
        cameras: None.
        breaks: Whether events are missing from here on.
    """

    __slots__ = ("_frames", "_message", "breaks", "cameras", "state_of")

    def __init__(self, message: live_pb2.LiveMessage) -> None:
        self.state_of = ""
        self.cameras: frozenset[str] = frozenset()
        self.breaks = message.HasField("gap")
        self._message = message
        self._frames: dict[Form, bytes] = {}

    def frame(self, view: View, form: Form) -> bytes:  # noqa: ARG002 - as of an update.
        """Return the message as it is written to viewers."""
        if form not in self._frames:
            self._frames[form] = framed(self._message, form)
        return self._frames[form]
