"""Sessions as rows of the table `sessions`."""

from datetime import UTC, datetime
from typing import Any

from google.rpc import status_pb2

from services.common.errors import SpotOnError
from services.common.ids import CameraId, EnvironmentId, SessionId, TimelineId
from services.pipeline.convert import (
    error_from_proto,
    error_to_proto,
    progress_from_proto,
    progress_to_proto,
)
from services.pipeline.domain.progress import SessionProgress
from services.pipeline.domain.session import (
    Creator,
    Desired,
    Evidence,
    Mode,
    Pace,
    Perception,
    Seek,
    Session,
    SessionRequest,
    SessionState,
)
from spoton.pipeline.v1 import pipeline_pb2

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = dict[str, Any]


def session_from_row(row: Row) -> Session:
    """Return the session that a complete row holds."""
    progress, error = row["progress"], row["error"]
    return Session(
        session_id=SessionId(row["session_id"]),
        timeline_id=TimelineId(row["timeline_id"]),
        request=_request_from_row(row),
        desired=desired_from_row(row),
        applied_revision=row["applied_revision"],
        state=SessionState(row["state"]),
        epoch=row["epoch"],
        owner=row["owner"],
        owner_address=row["owner_address"],
        error=error and error_from_proto(status_pb2.Status.FromString(error)),
        progress=progress
        and progress_from_proto(pipeline_pb2.Session.FromString(progress)),
        create_time_ns=_ns(row["create_time"]),
        update_time_ns=_ns(row["update_time"]),
    )


def desired_from_row(row: Row) -> Desired:
    """Return what the row's desired columns say."""
    seek = None
    if row["seek_revision"] is not None:
        seek = Seek(row["seek_revision"], row["seek_position_ns"])
    return Desired(
        revision=row["desired_revision"],
        mode=Mode(row["desired_mode"]),
        pace=Pace(row["desired_speed"]),
        seek=seek,
    )


def desired_to_row(desired: Desired) -> Row:
    """Return the desired columns."""
    return {
        "desired_revision": desired.revision,
        "desired_mode": desired.mode.value,
        "desired_speed": desired.pace.speed,
        "seek_revision": desired.seek and desired.seek.revision,
        "seek_position_ns": desired.seek and desired.seek.position_ns,
    }


def request_to_row(request: SessionRequest) -> Row:
    """Return the columns that never change, and the first pace."""
    return {
        "environment_id": request.environment_id,
        "request_id": request.request_id or None,
        "camera_ids": list(request.camera_ids),
        "recordings": request.recordings,
        "ignore_floor": request.evidence.ignore_floor,
        "ignore_appearance": request.evidence.ignore_appearance,
        "detector_model_id": request.perception.detector_model_id,
        "embedder_model_id": request.perception.embedder_model_id,
        "tracker": request.perception.tracker,
        "frame_set_rate_hz": request.frame_set_rate_hz,
        "late_tolerance_s": request.late_tolerance_s,
        "desired_speed": request.pace.speed,
        "creator_subject": request.creator.subject,
        "creator_name": request.creator.name,
    }


def progress_to_bytes(progress: SessionProgress | None) -> bytes | None:
    """Return the column of the progress."""
    if progress is None:
        return None
    return progress_to_proto(progress).SerializeToString()


def error_to_bytes(error: SpotOnError | None) -> bytes | None:
    """Return the column of the error."""
    return None if error is None else bytes(error_to_proto(error).SerializeToString())


def _request_from_row(row: Row) -> SessionRequest:
    return SessionRequest(
        environment_id=EnvironmentId(row["environment_id"]),
        camera_ids=tuple(CameraId(name) for name in row["camera_ids"]),
        recordings=row["recordings"],
        pace=Pace(row["desired_speed"]),
        evidence=Evidence(
            ignore_floor=row["ignore_floor"],
            ignore_appearance=row["ignore_appearance"],
        ),
        perception=Perception(
            row["detector_model_id"], row["embedder_model_id"], row["tracker"]
        ),
        frame_set_rate_hz=row["frame_set_rate_hz"],
        late_tolerance_s=row["late_tolerance_s"],
        request_id=row["request_id"] or "",
        creator=Creator(row["creator_subject"], row["creator_name"]),
    )


def _ns(time: datetime) -> int:
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
