"""Messages to values and back."""

import numpy as np
import pytest

from services.common.errors import InvalidInput
from services.tracker.convert import (
    detections_from_proto,
    opening_from_proto,
    result_to_proto,
    vectors_from_proto,
)
from services.tracker.domain.native import NativeTracker
from services.tracker.service import Answer
from spoton.common.v1 import frame_pb2, geometry_pb2
from spoton.tracker.v1 import tracker_pb2
from tests.unit.tracker.scenes import box, frame, settings, take


def _frame_message(**detection: object) -> tracker_pb2.TrackFrame:
    """Return a frame with one detection."""
    message = tracker_pb2.TrackFrame()
    message.frame.capture_time.seconds = 1_700_000_000
    message.frame.capture_time.nanos = 250_000_000
    outline = geometry_pb2.Box(x_min=10, y_min=20, x_max=30, y_max=80)
    message.detections.add(**({"box": outline, "score": 0.5} | detection))
    return message


def test_an_opening_keeps_every_field() -> None:
    """What the client says is what the service gets."""
    message = tracker_pb2.TrackOpen(
        environment_id="plaza",
        session_id="session-1",
        camera_id="left",
        frame_size=geometry_pb2.ImageSize(width=640, height=480),
        high_score=0.5,
        low_score=0.25,
        checkpoint=b"state",
        checkpoint_interval=7,
        embeddings_available=True,
        tracker="native",
    )
    opening = opening_from_proto(message)
    assert opening.frame_size_px == (640, 480)
    for name in ("environment_id", "session_id", "camera_id", "high_score", "tracker"):
        assert getattr(opening, name) == getattr(message, name)
    for name in ("low_score", "checkpoint", "checkpoint_interval"):
        assert getattr(opening, name) == getattr(message, name)
    assert opening.embeddings_available


def test_detections_become_columns() -> None:
    """Time, boxes and scores arrive in the domain's units."""
    detections = detections_from_proto(_frame_message())
    assert detections.time_ns == 1_700_000_000_250_000_000
    assert detections.boxes_px.tolist() == [[10, 20, 30, 80]]
    assert detections.scores.tolist() == [0.5]


def test_only_ankles_are_taken_from_keypoints() -> None:
    """Each ankle lands on its side, whatever the order; the rest is left out."""
    points = [
        frame_pb2.Keypoint(
            kind=kind, point=geometry_pb2.ImagePoint(x=x, y=70), score=0.75
        )
        for kind, x in (
            (frame_pb2.KEYPOINT_KIND_RIGHT_ANKLE, 25),
            (frame_pb2.KEYPOINT_KIND_NOSE, 20),
            (frame_pb2.KEYPOINT_KIND_LEFT_ANKLE, 15),
        )
    ]
    detections = detections_from_proto(_frame_message(keypoints=points))
    assert detections.ankles_px.tolist() == [[[15, 70, 0.75], [25, 70, 0.75]]]


def test_a_frame_without_detections_has_empty_columns() -> None:
    """Nobody in the picture is a frame like any other."""
    message = _frame_message()
    del message.detections[:]
    detections = detections_from_proto(message)
    assert detections.boxes_px.shape == (0, 4)
    assert detections.ankles_px.shape == (0, 2, 3)


def test_a_frame_needs_its_capture_time() -> None:
    """Without a time nothing can be said about motion."""
    message = _frame_message()
    message.frame.ClearField("capture_time")
    with pytest.raises(InvalidInput) as caught:
        detections_from_proto(message)
    assert caught.value.field == "frame.capture_time"


def test_vectors_are_scaled_to_unit_length() -> None:
    """A vector that is nearly unit is made so."""
    message = tracker_pb2.TrackEmbeddings()
    values = np.array([3.0, 4.0], "<f4").tobytes()
    message.embeddings.add(
        detection_index=2,
        embedding=frame_pb2.Embedding(model_id="stripes", values=values),
    )
    vectors = vectors_from_proto(message, np.array([2]))
    np.testing.assert_allclose(vectors.values, [[0.6, 0.8]], rtol=1e-6)
    assert vectors.detection_indices.tolist() == [2]
    assert vectors.model_id == "stripes"


def test_no_vectors_are_fine() -> None:
    """A client may have none of those that were asked for."""
    vectors = vectors_from_proto(tracker_pb2.TrackEmbeddings(), np.array([1]))
    assert len(vectors.detection_indices) == 0


def test_a_result_tells_everything_about_its_tracks() -> None:
    """Seen and coasted tracks come out in order, with those that ended."""
    tracker = NativeTracker(settings())
    for step in range(4):
        take(tracker, frame(step / 10, box(500, 800)))
    take(tracker, frame(0.4, box(900, 700)))
    tracks = take(tracker, frame(0.5))
    result = result_to_proto(Answer(tracks, b"state"))
    (coasted,) = result.tracks
    assert coasted.state == tracker_pb2.TRACK_STATE_COASTED
    assert not coasted.HasField("detection_index")
    assert coasted.age_frames == 6
    assert coasted.foot_point.sigma_px > 0
    assert list(result.ended_track_ids) == [2]
    assert result.checkpoint == b"state"


def test_numbers_of_tracks_go_on_where_the_client_says() -> None:
    """Without a checkpoint, the first track has the number that was asked for."""
    message = tracker_pb2.TrackOpen(
        environment_id="site",
        session_id="s",
        camera_id="door",
        frame_size=geometry_pb2.ImageSize(width=64, height=48),
        high_score=0.5,
        low_score=0.1,
        first_track_id=9,
    )
    assert opening_from_proto(message).first_track_id == 9
    message.first_track_id = 0
    assert opening_from_proto(message).first_track_id == 1
    message.first_track_id = 2**63
    with pytest.raises(InvalidInput) as refusal:
        opening_from_proto(message)
    assert refusal.value.field == "open.first_track_id"
