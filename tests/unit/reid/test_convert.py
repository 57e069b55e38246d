"""Wire to domain and back."""

import math

import pytest

from services.common.errors import InvalidInput
from services.common.ids import (
    CameraId,
    EnvironmentId,
    GlobalId,
    SessionId,
    TimelineId,
)
from services.reid.convert import (
    answer_to_bytes,
    fix_to_proto,
    tick_from_proto,
    vectors_from_proto,
)
from services.reid.convert_identity import (
    identity_to_proto,
    page_token_from_proto,
)
from services.reid.domain.identity import Identity
from services.reid.domain.tracklet import CameraRecord
from services.reid.domain.values import FloorFix
from services.reid.service.timeline_store import Lease
from spoton.common.v1 import frame_pb2, geometry_pb2
from spoton.reid.v1 import reid_pb2
from tests.unit.reid.scenes import MODEL, SESSION, Scene, Seen, key, vector

LEASE = Lease(EnvironmentId("plaza"), TimelineId("t"), SESSION, 1, writer=None)
FIX = FloorFix(1.5, -2.0, 0.04, 0.01, 0.09, "ground", 3)


def message() -> reid_pb2.AssociateTick:
    """Return a valid tick of one camera and one track."""
    tick = reid_pb2.AssociateTick(frame_set=4)
    tick.capture_time.FromNanoseconds(1_000)
    camera = tick.cameras.add(ended_track_ids=[9])
    camera.frame.session_id, camera.frame.camera_id = SESSION, "east"
    camera.frame.capture_time.FromNanoseconds(2_000)
    camera.frame.clock.uncertainty.FromMilliseconds(50)
    track = camera.tracks.add(track_id=7, score=0.5, occlusion=0.25)
    track.box.CopyFrom(geometry_pb2.Box(x_min=1, y_min=2, x_max=3, y_max=12))
    track.position.CopyFrom(fix_to_proto(FIX))
    return tick


def test_a_tick_arrives_whole() -> None:
    """Every field of a tick finds its place."""
    tick = tick_from_proto(message(), SESSION, MODEL)
    (camera,) = tick.cameras
    (sighting,) = camera.sightings
    assert (tick.frame_set, tick.captured_ns) == (4, 1_000)
    assert (camera.captured_ns, camera.clock_sigma_s) == (2_000, 0.05)
    assert camera.ended == (key("east", 9),)
    assert sighting.key == key("east", 7)
    assert (sighting.height_px, sighting.score) == (10.0, 0.5)
    assert (sighting.occlusion, sighting.coasted) == (0.25, False)
    assert sighting.fix == FIX
    assert sighting.vector is None


def spoiled(path: str, value: object) -> reid_pb2.AssociateTick:
    """Return a tick with one field changed."""
    tick = message()
    target: object = tick
    *way, last = path.split(".")
    for step in way:
        target = (
            getattr(target, step[:-1])[0]
            if step.endswith("*")
            else getattr(target, step)
        )
    setattr(target, last, value)
    return tick


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("frame_set", 0, "tick.frame_set"),
        ("cameras*.frame.camera_id", "", "tick.cameras[0].frame.camera_id"),
        ("cameras*.frame.session_id", "b", "tick.cameras[0].frame.session_id"),
        ("cameras*.tracks*.track_id", 0, "tick.cameras[0].tracks[0].track_id"),
        ("cameras*.tracks*.score", 1.5, "tick.cameras[0].tracks[0].score"),
        ("cameras*.tracks*.score", math.nan, "tick.cameras[0].tracks[0].score"),
        ("cameras*.tracks*.occlusion", -1, "tick.cameras[0].tracks[0].occlusion"),
        ("cameras*.tracks*.box.x_max", 0.5, "tick.cameras[0].tracks[0].box"),
        (
            "cameras*.tracks*.position.point.x_m",
            math.inf,
            "tick.cameras[0].tracks[0].position",
        ),
        (
            "cameras*.tracks*.position.covariance.xy_m2",
            5.0,
            "tick.cameras[0].tracks[0].position.covariance",
        ),
        (
            "cameras*.tracks*.position.floor_id",
            "",
            "tick.cameras[0].tracks[0].position.floor_id",
        ),
    ],
)
def test_bad_fields_are_named(path: str, value: object, field: str) -> None:
    """A field that cannot be used is refused by its path."""
    with pytest.raises(InvalidInput) as caught:
        tick_from_proto(spoiled(path, value), SESSION, MODEL)
    assert caught.value.field == field


def test_nothing_is_listed_twice() -> None:
    """A camera or a track that comes twice in a tick is refused."""
    tick = message()
    tick.cameras.append(tick.cameras[0])
    with pytest.raises(InvalidInput, match="listed twice"):
        tick_from_proto(tick, SESSION, MODEL)
    tick = message()
    tick.cameras[0].tracks.append(tick.cameras[0].tracks[0])
    with pytest.raises(InvalidInput, match="listed twice"):
        tick_from_proto(tick, SESSION, MODEL)


def test_vectors_nobody_asked_for_are_refused() -> None:
    """Only tracks that were asked for may come, each once."""
    embedding = frame_pb2.Embedding(
        model_id=MODEL.model_id, values=vector(1).astype("<f4").tobytes()
    )
    given = reid_pb2.AssociateEmbeddings(frame_set=1)
    given.embeddings.add(
        track=reid_pb2.TrackKey(camera_id="east", track_id=7), embedding=embedding
    )
    assert list(vectors_from_proto(given, [key("east", 7)], MODEL)) == [key("east", 7)]
    with pytest.raises(InvalidInput, match="not asked for"):
        vectors_from_proto(given, [key("east", 8)], MODEL)
    given.embeddings.append(given.embeddings[0])
    with pytest.raises(InvalidInput, match="twice"):
        vectors_from_proto(given, [key("east", 7)], MODEL)


def test_an_answer_says_who_is_where() -> None:
    """Assignments, positions, velocities and events are in the message."""
    answer = Scene().play(1, 1, lambda _: [Seen("east", 1, 2.0)])
    parsed = reid_pb2.AssociateResponse.FromString(answer_to_bytes(answer, LEASE))
    (person,) = parsed.result.persons
    (assignment,) = parsed.result.assignments
    assert parsed.frame_set == 1
    assert assignment.global_id == person.global_id
    assert person.position.point.x_m == 2.0
    assert person.HasField("velocity_x_mps")
    assert list(person.camera_ids) == ["east"]
    assert parsed.result.events[0].timeline_id == LEASE.timeline_id


def test_an_identity_keeps_its_fields() -> None:
    """A stored person is told in full."""
    identity = Identity(
        global_id=GlobalId(5),
        label=2,
        environment_id=EnvironmentId("plaza"),
        timeline_id=TimelineId("t"),
        first_seen_ns=1,
        last_seen_ns=9,
        cameras=((CameraId("east"), CameraRecord(3, 1, 9)),),
        merged_into=GlobalId(4),
        fix=FIX,
        prototype_count=6,
        has_crop=True,
        provisional=True,
    )
    told = identity_to_proto(identity)
    assert (told.global_id, told.label, told.merged_into) == (5, 2, 4)
    assert (told.prototype_count, told.has_crop, told.provisional) == (6, True, True)
    assert told.last_position == fix_to_proto(FIX)
    assert (told.cameras[0].camera_id, told.cameras[0].detections) == ("east", 3)


@pytest.mark.parametrize("token", ["x", "-1", "9" * 19, "1" * 20])
def test_tokens_of_no_page_are_refused(token: str) -> None:
    """A page token is the id of the last person, and nothing else."""
    with pytest.raises(InvalidInput):
        page_token_from_proto(token)
    assert page_token_from_proto(str(2**62)) == 2**62
    assert page_token_from_proto("") == 0


def test_sessions_are_not_mixed() -> None:
    """A frame of another session than the stream's is refused."""
    with pytest.raises(InvalidInput):
        tick_from_proto(message(), SessionId("another"), MODEL)
