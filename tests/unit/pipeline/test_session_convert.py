"""Sessions and their progress on the wire."""

import pytest
from google.protobuf.duration_pb2 import Duration

from services.common.errors import InvalidInput, NotFound, SpotOnError
from services.common.ids import CameraId
from services.pipeline.convert import (
    error_from_proto,
    error_to_proto,
    new_session_from_proto,
    progress_from_proto,
    progress_to_proto,
    session_event_payload,
    session_to_proto,
)
from services.pipeline.domain.progress import (
    CameraProgress,
    DropReason,
    FrameRange,
    Latency,
    SessionProgress,
)
from services.pipeline.domain.running import SessionChange
from services.pipeline.domain.session import Creator, SessionState
from spoton.common.v1 import events_pb2
from spoton.pipeline.v1 import pipeline_pb2
from tests.fakes.pipeline_sessions import new_lease

FULL = SessionProgress(
    cameras=(
        CameraProgress(
            camera_id=CameraId("north"),
            received=10,
            processed=6,
            dropped={DropReason.RATE: 2, DropReason.CANCELLED: 1},
            in_flight=1,
            lost_upstream=3,
            container_frames=0,
            skipped=(FrameRange(5, 9),),
            detections=20,
            strong_detections=15,
            tracks=2,
            embeddings=7,
            stages={"decode": Latency(0.002, 0.005, 10)},
            position_ns=1_700_000_000_123_456_789,
            at_end=True,
        ),
        CameraProgress(CameraId("south")),
    ),
    frame_sets=6,
    late_frames=1,
    end_to_end=Latency(0.02, 0.05, 6),
)


def test_progress_survives_the_way_through_its_message() -> None:
    """Nothing is lost or invented, absent values included."""
    assert progress_from_proto(progress_to_proto(FULL)) == FULL


@pytest.mark.parametrize(
    "error", [NotFound("gone"), InvalidInput("bad", field="a.b"), SpotOnError("broken")]
)
def test_errors_keep_their_kind_message_and_field(error: SpotOnError) -> None:
    """An error reads back as it was stored; one of no kind is INTERNAL between."""
    back = error_from_proto(error_to_proto(error))
    assert type(back) is type(error)
    assert (back.message, back.field) == (error.message, error.field)


def test_a_session_without_progress_shows_its_cameras() -> None:
    """Before the first report every camera is there, with nothing counted."""
    message = session_to_proto(new_lease().session)
    assert [camera.camera_id for camera in message.cameras] == ["north", "south"]
    assert message.state == pipeline_pb2.SESSION_STATE_PENDING
    assert not message.HasField("error")
    assert not message.pace.HasField("speed")


def test_every_state_and_change_has_its_number() -> None:
    """No value of the domain is missing on the wire."""
    lease = new_lease()
    states = set()
    for change in SessionChange:
        payload = session_event_payload(lease, change, "")
        states.add(events_pb2.EnvironmentEvent.FromString(payload).session.kind)
    assert len(states) == len(SessionChange)
    assert 0 not in states
    assert len(SessionState) == len(pipeline_pb2.SessionState.values()) - 1


def test_what_is_absent_in_a_request_stays_absent() -> None:
    """Zero is a value where absence means something else."""
    request = pipeline_pb2.CreateSessionRequest(environment_id="plaza")
    new = new_session_from_proto(request, Creator())
    assert (new.pace.speed, new.frame_set_rate_hz, new.late_tolerance_s) == (
        None,
        None,
        None,
    )
    request.late_tolerance.CopyFrom(Duration(nanos=250_000_000))
    assert new_session_from_proto(request, Creator()).late_tolerance_s == 0.25


def test_a_camera_id_of_the_wrong_form_is_named() -> None:
    """The index of the bad one is part of the field."""
    request = pipeline_pb2.CreateSessionRequest(
        environment_id="plaza", camera_ids=["north", "South"]
    )
    with pytest.raises(InvalidInput) as refused:
        new_session_from_proto(request, Creator())
    assert refused.value.field == "camera_ids[1]"
