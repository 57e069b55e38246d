"""Where everybody was in the last seconds."""

from collections import deque
from dataclasses import dataclass, field

from services.gateway.live.view import View
from spoton.common.v1 import events_pb2
from spoton.live.v1 import live_pb2

MOST_TRAIL_S = 60.0
_LEAST_STEP_NS = 200_000_000
_NS_PER_S = 1_000_000_000


@dataclass(slots=True)
class _Point:
    time_ns: int
    x_m: float
    y_m: float
    floor_id: str
    camera_ids: frozenset[str]


@dataclass(slots=True)
class _Trail:
    label: int = 0
    points: "deque[_Point]" = field(default_factory=deque)


class TrailBook:
    """Remembers positions, at most five of a person in a second."""

    def __init__(self, keep_s: float = MOST_TRAIL_S) -> None:
        self._keep_ns = round(keep_s * _NS_PER_S)
        self._sessions: dict[str, dict[int, _Trail]] = {}
        self._newest_ns: dict[str, int] = {}

    def add(self, tracking: events_pb2.TrackingUpdate) -> None:
        """Remember the positions of an update, and forget the old ones."""
        time_ns = tracking.capture_time.ToNanoseconds()
        session_id = tracking.session_id
        trails = self._sessions.setdefault(session_id, {})
        if time_ns < self._newest_ns.get(session_id, time_ns):
            trails.clear()  # The session went back in its recordings.
        self._newest_ns[session_id] = time_ns
        for person in tracking.persons:
            if not person.HasField("position"):
                continue
            trail = trails.setdefault(person.global_id, _Trail())
            trail.label = person.label
            if trail.points and time_ns - trail.points[-1].time_ns < _LEAST_STEP_NS:
                continue
            point = person.position.point
            trail.points.append(
                _Point(
                    time_ns,
                    point.x_m,
                    point.y_m,
                    person.position.floor_id,
                    frozenset(person.camera_ids),
                )
            )
        self._forget_before(session_id, time_ns - self._keep_ns)

    def end(self, session_id: str) -> None:
        """Forget a session that has ended."""
        self._sessions.pop(session_id, None)
        self._newest_ns.pop(session_id, None)

    def trails(self, view: View, seconds: float) -> live_pb2.Trails:
        """Return the positions of the last seconds of each session.

        Args:
            view: Whose.
            seconds: How far back from the newest update of a session.
        """
        found = live_pb2.Trails()
        for session_id, persons in self._sessions.items():
            if view.session_id not in ("", session_id):
                continue
            since_ns = self._newest_ns[session_id] - round(seconds * _NS_PER_S)
            for global_id, trail in persons.items():
                if view.global_id in (0, global_id):
                    _append(found, session_id, global_id, trail, view, since_ns)
        return found

    def _forget_before(self, session_id: str, time_ns: int) -> None:
        trails = self._sessions[session_id]
        for global_id, trail in list(trails.items()):
            while trail.points and trail.points[0].time_ns < time_ns:
                trail.points.popleft()
            if not trail.points:
                del trails[global_id]


def _append(
    found: live_pb2.Trails,
    session_id: str,
    global_id: int,
    trail: _Trail,
    view: View,
    since_ns: int,
) -> None:
    """Add what a view shows of one person's trail, if that is anything."""
    points = [
        point
        for point in trail.points
        if point.time_ns >= since_ns
        and (not view.camera_ids or view.camera_ids & point.camera_ids)
    ]
    if not points:
        return
    told = found.trails.add(
        global_id=global_id, label=trail.label, session_id=session_id
    )
    for point in points:
        place = told.points.add(floor_id=point.floor_id)
        place.capture_time.FromNanoseconds(point.time_ns)
        place.point.x_m, place.point.y_m = point.x_m, point.y_m
