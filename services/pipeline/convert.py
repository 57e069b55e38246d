"""Wire to domain and back, for sessions and their progress."""

from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, status_pb2

from services.common.convert import ns_to_timestamp
from services.common.errors import SpotOnError
from services.common.event_log import event_payload
from services.common.grpc_errors import error_from_status, status_from_error
from services.common.ids import CameraId, EnvironmentId, require_resource_id
from services.pipeline.domain.lease import Lease
from services.pipeline.domain.progress import (
    CameraProgress,
    DropReason,
    FrameRange,
    Latency,
    SessionProgress,
)
from services.pipeline.domain.running import SessionChange
from services.pipeline.domain.session import (
    Creator,
    Evidence,
    Pace,
    Perception,
    Session,
    SessionState,
)
from services.pipeline.service import NewSession
from spoton.common.v1 import events_pb2
from spoton.mapper.v1 import environment_pb2
from spoton.pipeline.v1 import pipeline_pb2
from spoton.reid.v1 import reid_pb2

NS_PER_S = 1_000_000_000

_STATES = {
    SessionState.PENDING: pipeline_pb2.SESSION_STATE_PENDING,
    SessionState.RUNNING: pipeline_pb2.SESSION_STATE_RUNNING,
    SessionState.PAUSED: pipeline_pb2.SESSION_STATE_PAUSED,
    SessionState.COMPLETED: pipeline_pb2.SESSION_STATE_COMPLETED,
    SessionState.STOPPED: pipeline_pb2.SESSION_STATE_STOPPED,
    SessionState.FAILED: pipeline_pb2.SESSION_STATE_FAILED,
}
_CHANGES = {
    SessionChange.RUNNING: events_pb2.SESSION_EVENT_KIND_RUNNING,
    SessionChange.PAUSED: events_pb2.SESSION_EVENT_KIND_PAUSED,
    SessionChange.SOUGHT: events_pb2.SESSION_EVENT_KIND_SOUGHT,
    SessionChange.TAKEN_OVER: events_pb2.SESSION_EVENT_KIND_TAKEN_OVER,
    SessionChange.COMPLETED: events_pb2.SESSION_EVENT_KIND_COMPLETED,
    SessionChange.STOPPED: events_pb2.SESSION_EVENT_KIND_STOPPED,
    SessionChange.FAILED: events_pb2.SESSION_EVENT_KIND_FAILED,
}
_DROP_REASONS = {
    DropReason.LATE: pipeline_pb2.DROP_REASON_LATE,
    DropReason.RATE: pipeline_pb2.DROP_REASON_RATE,
    DropReason.FAILOVER: pipeline_pb2.DROP_REASON_FAILOVER,
    DropReason.REFUSED: pipeline_pb2.DROP_REASON_REFUSED,
    DropReason.CANCELLED: pipeline_pb2.DROP_REASON_CANCELLED,
}
_DROP_REASONS_BACK = {number: reason for reason, number in _DROP_REASONS.items()}


def new_session_from_proto(
    request: pipeline_pb2.CreateSessionRequest, creator: Creator
) -> NewSession:
    """Return what a session is asked to be, and by whom.

    Raises:
        InvalidInput: An id has the wrong form, or a duration is not one.
    """
    return NewSession(
        environment_id=environment_id_from_proto(request.environment_id),
        camera_ids=tuple(
            CameraId(require_resource_id(camera_id, f"camera_ids[{index}]"))
            for index, camera_id in enumerate(request.camera_ids)
        ),
        pace=pace_from_proto(request.pace),
        evidence=Evidence(
            ignore_floor=request.evidence.ignore_floor,
            ignore_appearance=request.evidence.ignore_appearance,
        ),
        perception=perception_from_proto(request.perception),
        frame_set_rate_hz=(
            request.frame_set_rate_hz if request.HasField("frame_set_rate_hz") else None
        ),
        late_tolerance_s=(
            _duration_s(request.late_tolerance)
            if request.HasField("late_tolerance")
            else None
        ),
        request_id=request.request_id,
        creator=creator,
    )


def environment_id_from_proto(value: str) -> EnvironmentId:
    """Return the environment that a request names.

    Raises:
        InvalidInput: It cannot be a name.
    """
    return EnvironmentId(require_resource_id(value, "environment_id"))


def perception_from_proto(message: environment_pb2.Perception) -> Perception:
    """Return which models and which tracker were chosen."""
    return Perception(
        message.detector_model_id, message.embedder_model_id, message.tracker
    )


def perception_to_proto(perception: Perception) -> environment_pb2.Perception:
    """Return the message of a choice of models and tracker."""
    return environment_pb2.Perception(
        detector_model_id=perception.detector_model_id,
        embedder_model_id=perception.embedder_model_id,
        tracker=perception.tracker,
    )


def pace_from_proto(pace: pipeline_pb2.Pace) -> Pace:
    """Return how fast to read."""
    return Pace(pace.speed if pace.HasField("speed") else None)


def session_to_proto(session: Session) -> pipeline_pb2.Session:
    """Return the message of a session, cameras without progress included."""
    no_progress = tuple(CameraProgress(name) for name in session.request.camera_ids)
    message = progress_to_proto(session.progress or SessionProgress(no_progress))
    message.session_id = session.session_id
    message.environment_id = session.request.environment_id
    message.timeline_id = session.timeline_id
    message.state = _STATES[session.state]
    message.desired_revision = session.desired.revision
    message.applied_revision = session.applied_revision
    message.epoch = session.epoch
    message.owner = session.owner
    message.owner_address = session.owner_address
    message.create_time.CopyFrom(ns_to_timestamp(session.create_time_ns))
    message.update_time.CopyFrom(ns_to_timestamp(session.update_time_ns))
    message.pace.CopyFrom(pipeline_pb2.Pace(speed=session.desired.pace.speed))
    message.evidence.CopyFrom(
        reid_pb2.AssociationEvidence(
            ignore_floor=session.request.evidence.ignore_floor,
            ignore_appearance=session.request.evidence.ignore_appearance,
        )
    )
    message.perception.CopyFrom(perception_to_proto(session.request.perception))
    creator = session.request.creator
    if creator.subject:
        message.creator.CopyFrom(
            pipeline_pb2.SessionCreator(subject=creator.subject, name=creator.name)
        )
    if session.error is not None:
        message.error.CopyFrom(error_to_proto(session.error))
    return message


def session_event_payload(lease: Lease, change: SessionChange, detail: str) -> bytes:
    """Return a session event as the event log stores it."""
    event = events_pb2.EnvironmentEvent(
        session=events_pb2.SessionEvent(
            kind=_CHANGES[change],
            session_id=lease.session.session_id,
            timeline_id=lease.session.timeline_id,
            epoch=lease.epoch,
            detail=detail,
        )
    )
    return event_payload(lease.session.request.environment_id, event)


def progress_to_proto(progress: SessionProgress) -> pipeline_pb2.Session:
    """Return a session message with nothing but the progress."""
    message = pipeline_pb2.Session(
        cameras=[_camera_to_proto(camera) for camera in progress.cameras],
        frame_sets=progress.frame_sets,
        late_frames=progress.late_frames,
    )
    if progress.end_to_end is not None:
        message.end_to_end_latency.CopyFrom(_latency_to_proto(progress.end_to_end))
    return message


def progress_from_proto(message: pipeline_pb2.Session) -> SessionProgress:
    """Return the progress that a session message tells."""
    return SessionProgress(
        cameras=tuple(_camera_from_proto(camera) for camera in message.cameras),
        frame_sets=message.frame_sets,
        late_frames=message.late_frames,
        end_to_end=(
            _latency_from_proto(message.end_to_end_latency)
            if message.HasField("end_to_end_latency")
            else None
        ),
    )


def error_to_proto(error: SpotOnError) -> status_pb2.Status:
    """Return the status of an error; INTERNAL for one of no particular kind."""
    if type(error) is SpotOnError:
        return status_pb2.Status(code=code_pb2.INTERNAL, message=error.message)
    return status_from_error(error)


def error_from_proto(status: status_pb2.Status) -> SpotOnError:
    """Return the error of a status; of no particular kind for INTERNAL."""
    if status.code == code_pb2.INTERNAL:
        return SpotOnError(status.message)
    return error_from_status(status)


def _camera_to_proto(camera: CameraProgress) -> pipeline_pb2.CameraProgress:
    message = pipeline_pb2.CameraProgress(
        camera_id=camera.camera_id,
        received=camera.received,
        processed=camera.processed,
        dropped=[
            pipeline_pb2.DroppedFrames(reason=_DROP_REASONS[reason], count=count)
            for reason, count in camera.dropped.items()
        ],
        in_flight=camera.in_flight,
        lost_upstream=camera.lost_upstream,
        container_frames=camera.container_frames,
        skipped=[
            pipeline_pb2.FrameRange(first=skipped.first, end=skipped.end)
            for skipped in camera.skipped
        ],
        detections=camera.detections,
        strong_detections=camera.strong_detections,
        tracks=camera.tracks,
        embeddings=camera.embeddings,
        stages=[
            pipeline_pb2.StageLatency(stage=stage, latency=_latency_to_proto(latency))
            for stage, latency in camera.stages.items()
        ],
        at_end=camera.at_end,
    )
    if camera.position_ns is not None:
        message.position.CopyFrom(ns_to_timestamp(camera.position_ns))
    if camera.error is not None:
        message.error.CopyFrom(error_to_proto(camera.error))
    return message


def _camera_from_proto(message: pipeline_pb2.CameraProgress) -> CameraProgress:
    has = message.HasField
    return CameraProgress(
        camera_id=CameraId(message.camera_id),
        received=message.received,
        processed=message.processed,
        dropped={_DROP_REASONS_BACK[d.reason]: d.count for d in message.dropped},
        in_flight=message.in_flight,
        lost_upstream=message.lost_upstream,
        container_frames=message.container_frames if has("container_frames") else None,
        skipped=tuple(FrameRange(r.first, r.end) for r in message.skipped),
        detections=message.detections,
        strong_detections=message.strong_detections,
        tracks=message.tracks,
        embeddings=message.embeddings,
        stages={s.stage: _latency_from_proto(s.latency) for s in message.stages},
        position_ns=message.position.ToNanoseconds() if has("position") else None,
        at_end=message.at_end,
        error=error_from_proto(message.error) if has("error") else None,
    )


def _latency_to_proto(latency: Latency) -> pipeline_pb2.Latency:
    return pipeline_pb2.Latency(
        p50=_duration(latency.p50_s), p95=_duration(latency.p95_s), count=latency.count
    )


def _latency_from_proto(message: pipeline_pb2.Latency) -> Latency:
    return Latency(_duration_s(message.p50), _duration_s(message.p95), message.count)


def _duration(time_s: float) -> Duration:
    time_ns = round(time_s * NS_PER_S)
    return Duration(seconds=time_ns // NS_PER_S, nanos=time_ns % NS_PER_S)


def _duration_s(duration: Duration) -> float:
    return duration.seconds + duration.nanos / NS_PER_S
