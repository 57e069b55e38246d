"""A session that never was: two people, two cameras, one merge."""

from demo.observation import Observation
from spoton.common.v1 import events_pb2
from spoton.pipeline.v1 import pipeline_pb2
from spoton.reid.v1 import reid_pb2

FRAMES = 20
START_S = 1_767_268_800


def update(number: int, frame_index: int | None = None) -> events_pb2.TrackingUpdate:
    """Return one frame set with one person in camera `west`, walking."""
    made = events_pb2.TrackingUpdate(frame_set=number)
    made.capture_time.FromMilliseconds(START_S * 1000 + number * 100)
    tracks = made.cameras.add()
    tracks.frame.camera_id = "west"
    tracks.frame.frame_index = number if frame_index is None else frame_index
    track = tracks.tracks.add(track_id=1, global_id=11 if number < 5 else 12)
    track.box.x_min, track.box.x_max = 10 + number, 20 + number
    track.box.y_min, track.box.y_max = 10, 40
    person = made.persons.add(global_id=track.global_id, label=1)
    person.camera_ids.append("west")
    person.position.point.x_m = 0.1 * number
    person.position.point.y_m = 2.0
    return made


def observation() -> Observation:
    """Return what was published."""
    seen = Observation()
    for number in range(FRAMES):
        seen.add(events_pb2.EnvironmentEvent(tracking=update(number)))
    ending = events_pb2.SessionEvent(kind=events_pb2.SESSION_EVENT_KIND_COMPLETED)
    seen.add(events_pb2.EnvironmentEvent(session=ending))
    return seen


def identities() -> list[reid_pb2.Identity]:
    """Return person 1, whom 11 and 12 turned out to be, and person 3."""
    first = reid_pb2.Identity(global_id=11, label=1)
    first.cameras.add(camera_id="west", detections=20)
    first.cameras.add(camera_id="east", detections=4)
    third = reid_pb2.Identity(global_id=13, label=3, provisional=True)
    third.cameras.add(camera_id="east", detections=7)
    for person, seconds in ((first, (0, 2)), (third, (1, 2))):
        person.first_seen_time.FromSeconds(START_S + seconds[0])
        person.last_seen_time.FromSeconds(START_S + seconds[1])
    merged = reid_pb2.Identity(global_id=12, label=2, merged_into=11)
    return [first, merged, third]


def session() -> pipeline_pb2.Session:
    """Return the session after a clean end."""
    ended = pipeline_pb2.Session(
        state=pipeline_pb2.SESSION_STATE_COMPLETED, frame_sets=FRAMES
    )
    for camera_id in ("east", "west"):
        camera = ended.cameras.add(
            camera_id=camera_id,
            received=FRAMES,
            processed=FRAMES,
            container_frames=FRAMES,
            detections=40,
            strong_detections=30,
            embeddings=10,
            tracks=2,
            at_end=True,
        )
        stage = camera.stages.add(stage="detect")
        stage.latency.count = FRAMES
        stage.latency.p50.FromMicroseconds(12_340)
        stage.latency.p95.FromMicroseconds(50_000)
    return ended
