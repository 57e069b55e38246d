"""Gives each message of an environment to all its viewers, waiting for none."""

from collections import deque
from collections.abc import Iterator

from services.gateway.live.form import Form
from services.gateway.live.trails import TrailBook
from services.gateway.live.update import Note, Update
from services.gateway.live.view import Response, View
from services.gateway.live.viewer import Viewer
from spoton.common.v1 import events_pb2
from spoton.live.v1 import live_pb2

_ENDINGS = frozenset(
    {
        events_pb2.SESSION_EVENT_KIND_COMPLETED,
        events_pb2.SESSION_EVENT_KIND_STOPPED,
        events_pb2.SESSION_EVENT_KIND_FAILED,
    }
)


class Fanout:
    """Viewers of one environment, and what they may have missed.

    Viewers who see the same in the same form are one group, and share every byte.
    """

    def __init__(self, *, most_kept: int = 600, most_bytes: int = 16 << 20) -> None:
        """Begin with nobody.

        Args:
            most_kept: Messages to keep for viewers who come back.
            most_bytes: Most bytes that these may take, as protobuf.
        """
        self.trails = TrailBook()
        self._most_kept = most_kept
        self._most_bytes = most_bytes
        self._kept: deque[Update] = deque()
        self._kept_bytes = 0
        self._latest: dict[str, Update] = {}
        self._groups: dict[tuple[View, Form], set[Viewer]] = {}

    def __len__(self) -> int:
        return sum(len(group) for group in self._groups.values())

    @property
    def newest(self) -> int:
        """Sequence of the newest event that is kept; 0 if none is."""
        return self._kept[-1].sequence if self._kept else 0

    def viewers(self) -> Iterator[Viewer]:
        """Yield all viewers."""
        for group in self._groups.values():
            yield from group

    def remember(self, response: Response) -> Update:
        """Keep a message for those who come later."""
        update = Update(response)
        if not update.sequence:
            return update
        if self._kept:
            self._kept[-1].forget()
        self._kept.append(update)
        self._kept_bytes += response.ByteSize()
        while len(self._kept) > self._most_kept or self._kept_bytes > self._most_bytes:
            self._kept_bytes -= self._kept.popleft().response.ByteSize()
        self._note_session(update)
        return update

    def publish(self, response: Response, now_s: float) -> None:
        """Give a message to everybody whom it concerns."""
        update = self.remember(response)
        for (view, form), group in self._groups.items():
            if frame := update.frame(view, form):
                for viewer in group:
                    viewer.offer(update, frame, now_s)
        if response.event.HasField("identity"):
            self._follow_merge(response.event, now_s)

    def tell_all(self, message: live_pb2.LiveMessage, now_s: float) -> None:
        """Give a message of our own to everybody."""
        note = Note(message)
        for (view, form), group in self._groups.items():
            frame = note.frame(view, form)
            for viewer in group:
                viewer.offer(note, frame, now_s)

    def flush(self, now_s: float) -> None:
        """Look again after everybody who has not taken everything."""
        for group in self._groups.values():
            for viewer in group:
                if viewer.waits:
                    viewer.flush(now_s)

    def join(self, viewer: Viewer, view: View) -> None:
        """Let a viewer have what comes from here on."""
        self.leave(viewer)
        viewer.view = view
        self._groups.setdefault((view, viewer.form), set()).add(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer."""
        key = (viewer.view, viewer.form)
        group = self._groups.get(key)
        if group is not None:
            group.discard(viewer)
            if not group:
                del self._groups[key]

    def latest(self) -> list[Update]:
        """Return the newest state of each session that goes on."""
        return list(self._latest.values())

    def show_latest(self, now_s: float) -> None:
        """Give everybody the newest states."""
        for viewer in self.viewers():
            viewer.catch_up(self.latest(), now_s)

    def following(self, resume_token: str) -> list[Update] | None:
        """Return what came after a token; None if that is not kept any more."""
        for index in range(len(self._kept) - 1, -1, -1):
            if self._kept[index].response.resume_token == resume_token:
                return [
                    self._kept[place] for place in range(index + 1, len(self._kept))
                ]
        return None

    def after(self, sequence: int) -> list[Update] | None:
        """Return what came after a sequence; None if some of it is not kept."""
        if not self._kept or self._kept[0].sequence > sequence + 1:
            return None
        return [update for update in self._kept if update.sequence > sequence]

    def break_off(self) -> None:
        """Forget what was kept: what comes next does not follow it."""
        self._kept.clear()
        self._kept_bytes = 0
        self._latest.clear()

    def _note_session(self, update: Update) -> None:
        event = update.response.event
        if event.HasField("tracking"):
            self._latest[update.state_of] = update
            self.trails.add(event.tracking)
        elif event.HasField("session") and event.session.kind in _ENDINGS:
            self._latest.pop(event.session.session_id, None)
            self.trails.end(event.session.session_id)

    def _follow_merge(self, event: events_pb2.EnvironmentEvent, now_s: float) -> None:
        """Let whoever follows a person who was merged follow the other one."""
        for view, form in list(self._groups):
            after = view.after(event)
            if after == view:
                continue
            for viewer in list(self._groups[view, form]):
                self.join(viewer, after)
                viewer.tell(subscribed(event.environment_id, after), now_s)


def subscribed(environment_id: str, view: View) -> live_pb2.LiveMessage:
    """Return the message that says what is seen from here on."""
    subscription = live_pb2.Subscribe(
        session_id=view.session_id,
        camera_ids=sorted(view.camera_ids),
        global_id=view.global_id,
    )
    return live_pb2.LiveMessage(
        subscribed=live_pb2.Subscribed(
            environment_id=environment_id, subscription=subscription
        )
    )
