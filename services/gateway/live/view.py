"""The part of an environment's events that a viewer wants to see."""

from dataclasses import dataclass, replace

from spoton.common.v1 import events_pb2
from spoton.pipeline.v1 import pipeline_pb2

Response = pipeline_pb2.WatchTrackingResponse


@dataclass(frozen=True, slots=True)
class View:
    """What is seen; empty fields let everything through.

    Attributes:
        session_id: Only this session.
        timeline_id: Timeline of that session.
        camera_ids: Only what these cameras see.
        global_id: Only this person; 0 for all.
    """

    session_id: str = ""
    timeline_id: str = ""
    camera_ids: frozenset[str] = frozenset()
    global_id: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether everything is seen."""
        return not (self.session_id or self.camera_ids or self.global_id)

    def after(self, event: events_pb2.EnvironmentEvent) -> "View":
        """Return the view from an event on: a person is followed through merges."""
        identity = event.identity
        merged = identity.kind == events_pb2.IDENTITY_EVENT_KIND_MERGED
        if self.global_id and merged and identity.other_global_id == self.global_id:
            return replace(self, global_id=identity.global_id)
        return self


def narrowed(response: Response, view: View) -> Response | None:
    """Return what a view shows of a message; None if that is nothing.

    The message itself is returned where it is shown whole.
    """
    if view.is_whole or not response.HasField("event"):
        return response
    event = response.event
    if not _is_about(event, view):
        return None
    if not event.HasField("tracking") or not (view.camera_ids or view.global_id):
        return response
    narrow = Response()
    narrow.CopyFrom(response)
    _narrow_tracking(narrow.event.tracking, view)
    return narrow


def _is_about(event: events_pb2.EnvironmentEvent, view: View) -> bool:
    """Return whether a view shows anything of an event."""
    match event.WhichOneof("event"):
        case "tracking":
            return view.session_id in ("", event.tracking.session_id)
        case "session":
            return view.session_id in ("", event.session.session_id)
        case "identity":
            who = (event.identity.global_id, event.identity.other_global_id)
            return _in_timeline(event.identity.timeline_id, view) and (
                not view.global_id or view.global_id in who
            )
        case "zone":
            return _in_timeline(event.zone.timeline_id, view) and (
                view.global_id in (0, event.zone.global_id)
            )
    return False


def _in_timeline(timeline_id: str, view: View) -> bool:
    return view.timeline_id in ("", timeline_id)


def _narrow_tracking(tracking: events_pb2.TrackingUpdate, view: View) -> None:
    """Leave out the cameras, tracks and persons that a view does not show."""
    wanted = view.camera_ids
    cameras = [
        one for one in tracking.cameras if not wanted or one.frame.camera_id in wanted
    ]
    persons = [
        person
        for person in tracking.persons
        if view.global_id in (0, person.global_id)
        and (not wanted or wanted.intersection(person.camera_ids))
    ]
    if view.global_id:
        for camera in cameras:
            tracks = [one for one in camera.tracks if one.global_id == view.global_id]
            del camera.tracks[:]
            camera.tracks.extend(tracks)
    del tracking.cameras[:], tracking.persons[:]
    tracking.cameras.extend(cameras)
    tracking.persons.extend(persons)
