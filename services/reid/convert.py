"""Wire to domain and back, for ticks and their answers."""

import math
from collections.abc import Iterable
from uuid import UUID

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray

from services.common.convert import (
    boxes_from_proto,
    embedding_from_proto,
    ns_from_timestamp,
    ns_to_timestamp,
)
from services.common.errors import InvalidInput
from services.common.ids import (
    CameraId,
    EnvironmentId,
    GlobalId,
    SessionId,
    TimelineId,
    TrackId,
    require_resource_id,
)
from services.reid.domain.appearance import AppearanceModel
from services.reid.domain.values import (
    CameraSightings,
    EventKind,
    FloorFix,
    IdentityChange,
    PersonPresence,
    Portrait,
    Sighting,
    Tick,
    TickAnswer,
    TrackKey,
    Vector,
)
from services.reid.service.timeline_store import Lease
from spoton.common.v1 import events_pb2, frame_pb2, geometry_pb2
from spoton.reid.v1 import reid_pb2

_EVENT_KINDS = {
    EventKind.CREATED: events_pb2.IDENTITY_EVENT_KIND_CREATED,
    EventKind.MERGED: events_pb2.IDENTITY_EVENT_KIND_MERGED,
    EventKind.SPLIT: events_pb2.IDENTITY_EVENT_KIND_SPLIT,
    EventKind.RETURNED: events_pb2.IDENTITY_EVENT_KIND_RETURNED,
}


def lease_from_proto(opened: reid_pb2.AssociateOpen, writer: UUID) -> Lease:
    """Return the lease that a stream asks for.

    Args:
        opened: First message of the stream.
        writer: Names the stream.

    Raises:
        InvalidInput: A name is missing, or the epoch is not positive.
    """
    if opened.epoch < 1:
        raise InvalidInput("must be at least 1", field="open.epoch")
    for name in ("timeline_id", "session_id"):
        if not getattr(opened, name):
            raise InvalidInput("must not be empty", field=f"open.{name}")
    environment_id = require_resource_id(opened.environment_id, "open.environment_id")
    return Lease(
        environment_id=EnvironmentId(environment_id),
        timeline_id=TimelineId(opened.timeline_id),
        session_id=SessionId(opened.session_id),
        epoch=opened.epoch,
        writer=writer,
    )


def tick_from_proto(
    tick: reid_pb2.AssociateTick, session_id: SessionId, model: AppearanceModel
) -> Tick:
    """Return a tick.

    Raises:
        InvalidInput: A field is missing, out of range, or named twice.
    """
    if tick.frame_set < 1:
        raise InvalidInput("must be at least 1", field="tick.frame_set")
    cameras = tuple(
        _camera_from_proto(one, session_id, model, f"tick.cameras[{index}]")
        for index, one in enumerate(tick.cameras)
    )
    _require_unique((one.camera_id for one in cameras), "tick.cameras")
    return Tick(
        session_id=session_id,
        frame_set=tick.frame_set,
        captured_ns=ns_from_timestamp(tick.capture_time),
        cameras=cameras,
        portraits=tuple(
            _portrait_from_proto(one, f"tick.crops[{index}]")
            for index, one in enumerate(tick.crops)
        ),
    )


def _camera_from_proto(
    camera: reid_pb2.CameraObservations,
    session_id: SessionId,
    model: AppearanceModel,
    field: str,
) -> CameraSightings:
    frame = camera.frame
    if not frame.camera_id:
        raise InvalidInput("must not be empty", field=f"{field}.frame.camera_id")
    if frame.session_id != session_id:
        raise InvalidInput(
            f"must be the session of the stream, {session_id}",
            field=f"{field}.frame.session_id",
        )
    camera_id = CameraId(frame.camera_id)
    boxes = boxes_from_proto(
        [track.box for track in camera.tracks], field=f"{field}.tracks"
    )
    sightings = tuple(
        _sighting_from_proto(
            track,
            camera_id,
            box,
            model,
            f"{field}.tracks[{index}]",
        )
        for index, (track, box) in enumerate(zip(camera.tracks, boxes, strict=True))
    )
    _require_unique((one.key for one in sightings), f"{field}.tracks")
    return CameraSightings(
        camera_id=camera_id,
        captured_ns=ns_from_timestamp(frame.capture_time),
        clock_sigma_s=max(0.0, frame.clock.uncertainty.ToNanoseconds() * 1e-9),
        sightings=sightings,
        ended=tuple(
            TrackKey(camera_id, TrackId(one)) for one in camera.ended_track_ids
        ),
    )


def _sighting_from_proto(
    track: reid_pb2.TrackObservation,
    camera_id: CameraId,
    box_px: NDArray[np.floating],
    model: AppearanceModel,
    field: str,
) -> Sighting:
    if track.track_id < 1:
        raise InvalidInput("must be at least 1", field=f"{field}.track_id")
    vector = None
    if track.HasField("embedding"):
        vector = vector_from_proto(track.embedding, model, f"{field}.embedding")
    fix = None
    if track.HasField("position"):
        fix = _fix_from_proto(track.position, f"{field}.position")
    return Sighting(
        key=TrackKey(camera_id, TrackId(track.track_id)),
        height_px=float(box_px[3] - box_px[1]),
        score=_share(track.score, f"{field}.score"),
        coasted=track.coasted,
        occlusion=_share(track.occlusion, f"{field}.occlusion"),
        fix=fix,
        vector=vector,
        centre_px=(
            float(box_px[0] + box_px[2]) / 2,
            float(box_px[1] + box_px[3]) / 2,
        ),
    )


def _fix_from_proto(position: geometry_pb2.FloorPosition, field: str) -> FloorFix:
    point, spread = position.point, position.covariance
    numbers = (point.x_m, point.y_m, spread.xx_m2, spread.xy_m2, spread.yy_m2)
    if not all(map(math.isfinite, numbers)):
        raise InvalidInput("must be finite", field=field)
    determinant = spread.xx_m2 * spread.yy_m2 - spread.xy_m2**2
    if spread.xx_m2 <= 0 or spread.yy_m2 <= 0 or determinant <= 0:
        raise InvalidInput("must be positive definite", field=f"{field}.covariance")
    if not position.floor_id:
        raise InvalidInput("must not be empty", field=f"{field}.floor_id")
    return FloorFix(*numbers, position.floor_id, position.calibration_revision)


def _portrait_from_proto(crop: reid_pb2.PersonCrop, field: str) -> Portrait:
    if crop.global_id < 1:
        raise InvalidInput("must be at least 1", field=f"{field}.global_id")
    return Portrait(
        global_id=GlobalId(crop.global_id),
        key=TrackKey(CameraId(crop.camera_id), TrackId(crop.track_id)),
        captured_ns=ns_from_timestamp(crop.capture_time),
        quality=_share(crop.quality, f"{field}.quality"),
        jpeg=crop.jpeg,
    )


def vector_from_proto(
    embedding: frame_pb2.Embedding, model: AppearanceModel, field: str
) -> Vector:
    """Return a vector of the running model.

    Raises:
        InvalidInput: It is of another model or length, not finite, or zero.
    """
    return embedding_from_proto(
        embedding, model_id=model.model_id, dimensions=model.dimensions, field=field
    )


def vectors_from_proto(
    message: reid_pb2.AssociateEmbeddings,
    asked: Iterable[TrackKey],
    model: AppearanceModel,
) -> dict[TrackKey, Vector]:
    """Return the vectors that were asked for, by track.

    Raises:
        InvalidInput: One was not asked for, comes twice, or cannot be compared.
    """
    allowed = set(asked)
    vectors: dict[TrackKey, Vector] = {}
    for index, one in enumerate(message.embeddings):
        field = f"embeddings.embeddings[{index}]"
        key = TrackKey(CameraId(one.track.camera_id), TrackId(one.track.track_id))
        if key not in allowed or key in vectors:
            raise InvalidInput(
                "was not asked for, or comes twice", field=f"{field}.track"
            )
        vectors[key] = vector_from_proto(one.embedding, model, f"{field}.embedding")
    return vectors


def wanted_to_proto(
    frame_set: int, tracks: Iterable[TrackKey]
) -> reid_pb2.AssociateResponse:
    """Return the message that asks for vectors."""
    wanted = reid_pb2.AssociateEmbeddingsWanted(tracks=map(_key_to_proto, tracks))
    return reid_pb2.AssociateResponse(frame_set=frame_set, embeddings_wanted=wanted)


def answer_to_bytes(answer: TickAnswer, lease: Lease) -> bytes:
    """Return the serialised message that answers a tick."""
    result = reid_pb2.AssociateResult(
        assignments=[
            reid_pb2.TrackAssignment(
                track=_key_to_proto(one.key),
                global_id=one.global_id,
                provisional=one.provisional,
            )
            for one in answer.assignments
        ],
        persons=map(_presence_to_proto, answer.persons),
        events=[_change_to_proto(one, lease) for one in answer.changes],
        crops_wanted=[
            reid_pb2.CropWanted(
                track=_key_to_proto(one.key),
                global_id=one.global_id,
                quality=one.quality,
            )
            for one in answer.portraits_wanted
        ],
    )
    message = reid_pb2.AssociateResponse(frame_set=answer.frame_set, result=result)
    return message.SerializeToString(deterministic=True)


def event_to_bytes(lease: Lease, change: IdentityChange) -> bytes:
    """Return the serialised event of the environment's stream."""
    event = events_pb2.EnvironmentEvent(
        environment_id=lease.environment_id, identity=_change_to_proto(change, lease)
    )
    return event.SerializeToString(deterministic=True)


def fix_to_proto(fix: FloorFix) -> geometry_pb2.FloorPosition:
    """Return the message of a position."""
    return geometry_pb2.FloorPosition(
        point=geometry_pb2.FloorPoint(x_m=fix.x_m, y_m=fix.y_m),
        covariance=geometry_pb2.FloorCovariance(
            xx_m2=fix.xx_m2, xy_m2=fix.xy_m2, yy_m2=fix.yy_m2
        ),
        floor_id=fix.floor_id,
        calibration_revision=fix.calibration_revision,
    )


def optional_ns(timestamp: Timestamp, *, present: bool) -> int | None:
    """Return a time in nanoseconds since 1970 UTC, or None for an absent one."""
    return ns_from_timestamp(timestamp) if present else None


def _presence_to_proto(presence: PersonPresence) -> events_pb2.PersonState:
    state = events_pb2.PersonState(
        global_id=presence.global_id,
        label=presence.label,
        camera_ids=presence.camera_ids,
        provisional=presence.provisional,
    )
    if presence.fix is not None and presence.velocity_mps is not None:
        state.position.CopyFrom(fix_to_proto(presence.fix))
        state.velocity_x_mps, state.velocity_y_mps = presence.velocity_mps
    return state


def _change_to_proto(change: IdentityChange, lease: Lease) -> events_pb2.IdentityEvent:
    return events_pb2.IdentityEvent(
        kind=_EVENT_KINDS[change.kind],
        timeline_id=lease.timeline_id,
        global_id=change.global_id,
        other_global_id=change.other_global_id,
        frame_set=change.frame_set,
        capture_time=ns_to_timestamp(change.captured_ns),
    )


def _key_to_proto(key: TrackKey) -> reid_pb2.TrackKey:
    return reid_pb2.TrackKey(camera_id=key.camera_id, track_id=key.track_id)


def _share(value: float, field: str) -> float:
    """Return a number within [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise InvalidInput(f"must be from 0 to 1; got {value}", field=field)
    return value


def _require_unique(names: Iterable[object], field: str) -> None:
    """Return if nothing is named twice."""
    seen: set[object] = set()
    for index, name in enumerate(names):
        if name in seen:
            raise InvalidInput(f"{name} is listed twice", field=f"{field}[{index}]")
        seen.add(name)
