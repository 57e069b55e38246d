"""Wire to domain and back."""

import numpy as np

from services.common.convert import boxes_from_proto, ns_from_timestamp, unit_vector
from services.common.errors import InvalidInput
from services.common.ids import ModelId, require_resource_id
from services.tracker.domain.appearance import NO_VECTORS, Vectors
from services.tracker.domain.arrays import FloatArray, IntArray
from services.tracker.domain.frame import Detections, FrameTracks
from services.tracker.domain.tracker import TrackerDescription
from services.tracker.service import Answer, Opening
from spoton.common.v1 import frame_pb2, geometry_pb2
from spoton.tracker.v1 import tracker_pb2

_MOST_TRACKS = 2**62
_LONGEST_SIDE_PX = 16384
_LAST_SECOND = 2**32
_ANKLES = {
    frame_pb2.KEYPOINT_KIND_LEFT_ANKLE: 0,
    frame_pb2.KEYPOINT_KIND_RIGHT_ANKLE: 1,
}


def opening_from_proto(message: tracker_pb2.TrackOpen) -> Opening:
    """Return what a client says about a camera.

    Raises:
        InvalidInput: A name, the frame's size or a threshold cannot be.
    """
    size = message.frame_size
    for name in ("environment_id", "session_id", "camera_id"):
        require_resource_id(getattr(message, name), f"open.{name}")
    for side in ("width", "height"):
        if not 1 <= getattr(size, side) <= _LONGEST_SIDE_PX:
            raise InvalidInput(
                f"must be from 1 to {_LONGEST_SIDE_PX}; got {getattr(size, side)}",
                field=f"open.frame_size.{side}",
            )
    if not 0.0 < message.high_score <= 1.0:
        raise InvalidInput("must be in (0, 1]", field="open.high_score")
    if not 0.0 <= message.low_score <= message.high_score:
        raise InvalidInput("must be in [0, high_score]", field="open.low_score")
    if message.first_track_id >= _MOST_TRACKS:
        raise InvalidInput(f"must be below {_MOST_TRACKS}", field="open.first_track_id")
    return Opening(
        environment_id=message.environment_id,
        session_id=message.session_id,
        camera_id=message.camera_id,
        frame_size_px=(size.width, size.height),
        high_score=message.high_score,
        low_score=message.low_score,
        checkpoint=message.checkpoint,
        checkpoint_interval=message.checkpoint_interval,
        embeddings_available=message.embeddings_available,
        first_track_id=message.first_track_id or 1,
        tracker=message.tracker,
    )


def description_to_proto(
    description: TrackerDescription,
) -> tracker_pb2.TrackerDescription:
    """Return the message of what is said about a tracker."""
    return tracker_pb2.TrackerDescription(
        name=description.name,
        uses_appearance=description.uses_appearance,
        needs_appearance=description.needs_appearance,
        licence=description.licence,
    )


def detections_from_proto(message: tracker_pb2.TrackFrame) -> Detections:
    """Return the detections of a frame.

    Raises:
        InvalidInput: The capture time is absent, or a box is not finite, inverted or
            empty.
    """
    stamp = message.frame.capture_time
    if not 0 < stamp.seconds < _LAST_SECOND:
        raise InvalidInput("must be after 1970", field="frame.capture_time")
    found = message.detections
    boxes_px = boxes_from_proto([each.box for each in found], field="detections")
    return Detections(
        time_ns=ns_from_timestamp(stamp),
        boxes_px=boxes_px.astype(np.float64),
        scores=np.array([each.score for each in found], np.float64),
        ankles_px=_ankles_from_proto(message),
    )


def _ankles_from_proto(message: tracker_pb2.TrackFrame) -> FloatArray:
    """Return `x, y, score` of both ankles of each detection. Shape (M, 2, 3)."""
    ankles_px = np.zeros((len(message.detections), 2, 3))
    for row, detection in enumerate(message.detections):
        for keypoint in detection.keypoints:
            side = _ANKLES.get(keypoint.kind)
            if side is not None:
                point = keypoint.point
                ankles_px[row, side] = point.x, point.y, keypoint.score
    return ankles_px


def vectors_from_proto(
    message: tracker_pb2.TrackEmbeddings, wanted: IntArray
) -> Vectors:
    """Return the appearance that a client sent.

    Args:
        message: What it sent.
        wanted: Detections that it was asked for.

    Raises:
        InvalidInput: A detection was not asked for or is there twice, a vector is not
            finite or zero, or the vectors differ in model or length.
    """
    given = message.embeddings
    if not given:
        return NO_VECTORS
    model_id, dimensions = given[0].embedding.model_id, len(given[0].embedding.values)
    if not model_id:
        raise InvalidInput("must be set", field="embeddings[0].embedding.model_id")
    open_indices = set(wanted.tolist())
    values = []
    for position, each in enumerate(given):
        field = f"embeddings[{position}]"
        if each.detection_index not in open_indices:
            raise InvalidInput(
                "was not asked for, or was given before",
                field=f"{field}.detection_index",
            )
        open_indices.remove(each.detection_index)
        if each.embedding.model_id != model_id:
            raise InvalidInput(
                f"differs from {model_id!r}, the model of the first vector",
                field=f"{field}.embedding.model_id",
            )
        values.append(
            unit_vector(
                each.embedding.values,
                dimensions=max(1, dimensions // 4),
                field=f"{field}.embedding.values",
            )
        )
    indices = np.array([each.detection_index for each in given], np.int64)
    return Vectors(indices, np.stack(values), ModelId(model_id))


def result_to_proto(answer: Answer) -> tracker_pb2.TrackResult:
    """Return the message of a frame's tracks."""
    return tracker_pb2.TrackResult(
        tracks=_tracks_to_proto(answer.tracks),
        ended_track_ids=answer.tracks.ended_track_ids.tolist(),
        checkpoint=answer.checkpoint,
    )


def _tracks_to_proto(tracks: FrameTracks) -> list[tracker_pb2.Track]:
    """Return the messages of the tracks of a frame.

    Columns become lists first: this is the hottest loop of the service.
    """
    feet = tracks.feet
    columns = zip(
        tracks.track_ids.tolist(),
        tracks.states.tolist(),
        tracks.boxes_px.tolist(),
        tracks.scores.tolist(),
        tracks.detection_indices.tolist(),
        feet.points_px.tolist(),
        feet.sigma_px.tolist(),
        feet.visibility.tolist(),
        tracks.occlusion.tolist(),
        tracks.age_frames.tolist(),
        strict=True,
    )
    return [
        tracker_pb2.Track(
            track_id=track_id,
            state=state,
            box=geometry_pb2.Box(
                x_min=box[0], y_min=box[1], x_max=box[2], y_max=box[3]
            ),
            score=score,
            detection_index=None if index < 0 else index,
            foot_point=geometry_pb2.FootPoint(
                point=geometry_pb2.ImagePoint(x=point[0], y=point[1]),
                sigma_px=sigma_px,
                visibility=visibility,
            ),
            occlusion=occlusion,
            age_frames=age_frames,
        )
        for (
            track_id,
            state,
            box,
            score,
            index,
            point,
            sigma_px,
            visibility,
            occlusion,
            age_frames,
        ) in columns
    ]
