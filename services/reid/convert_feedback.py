"""Wire to domain, for what operators say about who is who."""

from services.common.errors import InvalidInput
from services.common.ids import CameraId, GlobalId, TrackId
from services.reid.domain.feedback import Confirm, Merge, Reject, Split
from services.reid.domain.values import TrackKey
from spoton.reid.v1 import feedback_pb2, reid_pb2


def merge_from_proto(request: feedback_pb2.MergeIdentitiesRequest) -> Merge:
    """Return which two persons are one.

    Raises:
        InvalidInput: An id is not positive.
    """
    return Merge(
        _person(request.global_id, "global_id"),
        _person(request.other_global_id, "other_global_id"),
        request.replace_feedback,
    )


def split_from_proto(request: feedback_pb2.SplitIdentityRequest) -> Split:
    """Return which part of a person is somebody else.

    Raises:
        InvalidInput: Neither an identity nor tracks are named, or both, or a track
            twice.
    """
    own = _person(request.global_id, "global_id")
    if bool(request.merged_global_id) == bool(request.tracks):
        raise InvalidInput(
            "name either this or tracks, to say which part is somebody else",
            field="merged_global_id",
        )
    if request.merged_global_id:
        merged = _person(request.merged_global_id, "merged_global_id")
        return Split(own, merged_global_id=merged)
    tracks = tuple(
        _track(one, f"tracks[{index}]") for index, one in enumerate(request.tracks)
    )
    for index, track in enumerate(tracks):
        if track in tracks[:index]:
            raise InvalidInput("is listed twice", field=f"tracks[{index}]")
    return Split(own, tracks=tracks)


def confirm_from_proto(request: feedback_pb2.ConfirmMatchRequest) -> Confirm:
    """Return which track is which person.

    Raises:
        InvalidInput: A name is missing.
    """
    return Confirm(
        _person(request.global_id, "global_id"),
        _track(request.track, "track"),
        request.replace_feedback,
    )


def reject_from_proto(request: feedback_pb2.RejectMatchRequest) -> Reject:
    """Return which track is not which person.

    Raises:
        InvalidInput: A name is missing.
    """
    return Reject(
        _person(request.global_id, "global_id"),
        _track(request.track, "track"),
        request.replace_feedback,
    )


def _person(value: int, field: str) -> GlobalId:
    if value < 1:
        raise InvalidInput("must be at least 1", field=field)
    return GlobalId(value)


def _track(key: reid_pb2.TrackKey, field: str) -> TrackKey:
    if not key.camera_id:
        raise InvalidInput("must not be empty", field=f"{field}.camera_id")
    # No integer of a database is longer.
    if not 1 <= key.track_id < 2**63:
        raise InvalidInput("must be at least 1", field=f"{field}.track_id")
    return TrackKey(CameraId(key.camera_id), TrackId(key.track_id))
