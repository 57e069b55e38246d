"""Turn a frame set into the update that everybody sees."""

from services.common.convert import ns_to_timestamp
from services.common.event_log import event_payload
from services.pipeline.domain.session import Session
from services.pipeline.mesh.association import IdentifiedSet
from services.pipeline.mesh.seen import SeenFrame
from spoton.common.v1 import events_pb2
from spoton.reid.v1 import reid_pb2
from spoton.tracker.v1 import tracker_pb2

_Assignments = dict[tuple[str, int], reid_pb2.TrackAssignment]


def tracking_payload(session: Session, identified: IdentifiedSet) -> bytes:
    """Return the event of a frame set, ready to be appended to the log."""
    frame_set, result = identified.frame_set, identified.result
    persons = {
        (assignment.track.camera_id, assignment.track.track_id): assignment
        for assignment in result.assignments
    }
    update = events_pb2.TrackingUpdate(
        session_id=session.session_id,
        timeline_id=session.timeline_id,
        frame_set=frame_set.number,
        capture_time=ns_to_timestamp(frame_set.start_ns),
        cameras=[
            _camera_tracks(items[-1], persons) for items in frame_set.items.values()
        ],
        persons=result.persons,
    )
    event = events_pb2.EnvironmentEvent(tracking=update)
    return event_payload(session.request.environment_id, event)


def _camera_tracks(seen: SeenFrame, persons: _Assignments) -> events_pb2.CameraTracks:
    """Return what one camera saw, with who it was."""
    tracks = []
    for track, position in seen.published_tracks():
        person = persons.get((seen.camera_id, track.track_id))
        tracks.append(
            events_pb2.TrackedPerson(
                track_id=track.track_id,
                global_id=person.global_id if person else 0,
                box=track.box,
                score=track.score,
                coasted=track.state == tracker_pb2.TRACK_STATE_COASTED,
                provisional=person.provisional if person else True,
                position=position,
            )
        )
    return events_pb2.CameraTracks(frame=seen.ref, frame_size=seen.size, tracks=tracks)
