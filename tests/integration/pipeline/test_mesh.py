"""Sessions over small recordings that run through every service."""

from pathlib import Path

import pytest

from services.common.convert import ns_to_timestamp
from services.common.grpc_errors import error_from_status
from spoton.common.v1 import events_pb2
from spoton.mapper.v1 import environment_pb2
from spoton.pipeline.v1 import pipeline_pb2
from tests.fakes.session_steps import until_session
from tests.integration.pipeline.mesh import (
    FRAMES,
    HEIGHT_PX,
    START_NS,
    WIDTH_PX,
    Mesh,
    write_walk,
)

COMPLETED = pipeline_pb2.SESSION_STATE_COMPLETED
FAILED = pipeline_pb2.SESSION_STATE_FAILED
STOPPED = pipeline_pb2.SESSION_STATE_STOPPED
NOT_FOUND, INVALID_ARGUMENT = 5, 3
S_NS = 1_000_000_000
LONG = 60


def names(session: pipeline_pb2.Session) -> dict[str, str]:
    """Return the fields that name a session in a request."""
    return {
        "environment_id": session.environment_id,
        "session_id": session.session_id,
    }


def dropped(camera: pipeline_pb2.CameraProgress) -> dict[int, int]:
    """Return how many frames were given up, by reason."""
    return {drop.reason: drop.count for drop in camera.dropped}


def adds_up(camera: pipeline_pb2.CameraProgress) -> bool:
    """Return whether every frame received is in exactly one place."""
    gone = sum(dropped(camera).values())
    return camera.received == camera.processed + gone + camera.in_flight


async def until_frame_sets(
    mesh: Mesh, session: pipeline_pb2.Session, count: int
) -> pipeline_pb2.Session:
    """Return the session once so many frame sets are committed."""
    return await until_session(mesh.pipeline, session, lambda s: s.frame_sets >= count)


async def until_applied(
    mesh: Mesh, accepted: pipeline_pb2.Session
) -> pipeline_pb2.Session:
    """Return the session once a command is carried out."""
    return await until_session(
        mesh.pipeline,
        accepted,
        lambda s: s.applied_revision >= accepted.desired_revision,
    )


async def seek(
    mesh: Mesh, session: pipeline_pb2.Session, position_s: float
) -> pipeline_pb2.Session:
    """Go to another place in the recordings, and wait until that is done."""
    position = ns_to_timestamp(START_NS + round(position_s * S_NS))
    request = pipeline_pb2.SeekSessionRequest(**names(session), position=position)
    return await until_applied(mesh, (await mesh.pipeline.SeekSession(request)).session)


async def set_pace(
    mesh: Mesh, session: pipeline_pb2.Session, speed: float | None
) -> pipeline_pb2.Session:
    """Read at another speed."""
    pace = pipeline_pb2.Pace(speed=speed)
    request = pipeline_pb2.SetSessionPaceRequest(**names(session), pace=pace)
    return await until_applied(
        mesh, (await mesh.pipeline.SetSessionPace(request)).session
    )


async def test_every_frame_is_tracked_and_counted(mesh: Mesh) -> None:
    """One person walks through two cameras and is one person on the floor."""
    for camera_id in ("north", "south"):
        await mesh.add_camera(camera_id, write_walk(mesh.media / f"{camera_id}.avi"))
    ended = await mesh.ended(await mesh.start())
    assert ended.state == COMPLETED
    assert ended.frame_sets == FRAMES
    for camera in ended.cameras:
        assert (camera.received, camera.processed) == (FRAMES, FRAMES)
        assert (camera.detections, camera.tracks) == (FRAMES, 1)
        assert camera.at_end
        assert adds_up(camera)
    updates = await mesh.updates()
    assert [update.frame_set for update in updates] == list(range(1, FRAMES + 1))
    last = updates[-1]
    persons = {track.global_id for camera in last.cameras for track in camera.tracks}
    assert len(persons) == 1
    assert 0 not in persons


async def test_the_environment_chooses_models_and_tracker(mesh: Mesh) -> None:
    """What it names is what runs, and what published detections say."""
    await mesh.add_camera("north", write_walk(mesh.media / "north.avi"))
    chosen = environment_pb2.Perception(
        detector_model_id="movenet-multipose",
        embedder_model_id="stripes-hsv-v1",
        tracker="native",
    )
    await mesh.choose(chosen)
    ended = await mesh.ended(await mesh.start())
    assert (ended.state, ended.perception) == (COMPLETED, chosen)
    assert ended.cameras[0].tracks == 1


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("detector_model_id", "yolo-of-nobody"),
        ("embedder_model_id", "osnet-of-nobody"),
        ("tracker", "tracker-of-nobody"),
    ],
)
async def test_a_choice_that_does_not_run_fails_the_session(
    mesh: Mesh, field: str, name: str
) -> None:
    """The session ends at once with an error that names the choice."""
    await mesh.add_camera("north", write_walk(mesh.media / "north.avi"))
    await mesh.choose(environment_pb2.Perception(**{field: name}))
    ended = await mesh.ended(await mesh.start())
    assert ended.state == FAILED
    assert error_from_status(ended.error).field.endswith(field)
    assert ended.frame_sets == 0


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(None, NOT_FOUND, id="missing"),
        pytest.param(b"no video at all", INVALID_ARGUMENT, id="no-video"),
        pytest.param(b"", INVALID_ARGUMENT, id="empty"),
    ],
)
async def test_an_unreadable_camera_does_not_stop_the_others(
    mesh: Mesh, content: bytes | None, code: int
) -> None:
    """The session completes, and the camera's error says why it saw nothing."""
    if content is not None:
        (mesh.media / "broken.avi").write_bytes(content)
    await mesh.add_camera("broken", "broken.avi")
    await mesh.add_camera("north", write_walk(mesh.media / "north.avi"))
    ended = await mesh.ended(await mesh.start())
    assert ended.state == COMPLETED
    broken, north = ended.cameras
    assert (broken.error.code, broken.received) == (code, 0)
    assert "broken.avi" in broken.error.message
    assert (north.processed, north.HasField("error")) == (FRAMES, False)


async def test_a_session_without_a_readable_camera_fails(mesh: Mesh) -> None:
    """The session's error is that of a camera."""
    await mesh.add_camera("north", "gone.avi")
    await mesh.add_camera("south", "gone.avi")
    ended = await mesh.ended(await mesh.start())
    assert ended.state == FAILED
    assert ended.error.code == NOT_FOUND
    assert "gone.avi" in ended.error.message
    assert [camera.error.code for camera in ended.cameras] == [NOT_FOUND] * 2


async def test_damaged_recordings_give_what_they_have(mesh: Mesh) -> None:
    """A cut file, one with a hole and one that changes size do not end a session."""
    for camera_id, path in {
        "changing": _changing_size(mesh.media),
        "cut": _cut(mesh.media),
        "north": write_walk(mesh.media / "north.avi"),
        "pierced": _pierced(mesh.media),
    }.items():
        await mesh.add_camera(camera_id, path)
    ended = await mesh.ended(await mesh.start())
    assert ended.state == COMPLETED
    changing, cut, north, pierced = ended.cameras
    assert all(adds_up(camera) and camera.at_end for camera in ended.cameras)
    assert changing.processed == FRAMES
    assert north.processed == FRAMES
    assert 0 < cut.processed < FRAMES
    assert 0 < pierced.processed <= FRAMES


def _changing_size(folder: Path) -> Path:
    """Write a recording whose second half is smaller."""
    halves = [
        write_walk(folder / "first.m4v", FRAMES // 2, container="m4v"),
        write_walk(
            folder / "second.m4v",
            FRAMES // 2,
            size_px=(WIDTH_PX // 2, HEIGHT_PX),
            container="m4v",
        ),
    ]
    path = folder / "changing.m4v"
    path.write_bytes(b"".join(half.read_bytes() for half in halves))
    return path


def _cut(folder: Path) -> Path:
    """Write a recording that ends in the middle."""
    path = write_walk(folder / "cut.ts", container="mpegts")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def _pierced(folder: Path) -> Path:
    """Write a recording with a hole."""
    path = write_walk(folder / "pierced.ts", container="mpegts")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + len(content) // 10] = bytes(len(content) // 10)
    path.write_bytes(content)
    return path


async def test_cameras_may_differ_in_rate_and_length(mesh: Mesh) -> None:
    """Every frame of each is processed, and the longer one goes on alone."""
    fast = write_walk(mesh.media / "fast.avi", 20, rate_hz=10)
    slow = write_walk(mesh.media / "slow.avi", 20, rate_hz=5)
    await mesh.add_camera("fast", fast)
    await mesh.add_camera("slow", slow)
    ended = await mesh.ended(await mesh.start())
    assert ended.state == COMPLETED
    assert [camera.processed for camera in ended.cameras] == [20, 20]
    assert ended.late_frames == 0
    cameras = [
        [camera.frame.camera_id for camera in update.cameras]
        for update in await mesh.updates()
    ]
    assert cameras[:4] == [["fast", "slow"], ["fast"], ["fast", "slow"], ["fast"]]
    assert cameras[-10:] == [["slow"]] * 10


async def test_seeks_keep_numbers_and_books(mesh: Mesh) -> None:
    """Frame sets go on counting, tracks are new, and what was skipped is listed."""
    path = write_walk(mesh.media / "north.avi", LONG)
    await mesh.add_camera("north", path)
    session = await mesh.start(speed=1.0)
    await until_frame_sets(mesh, session, 5)
    sought = await seek(mesh, session, 4.0)
    before = await until_frame_sets(mesh, session, sought.frame_sets + 5)
    await seek(mesh, session, 3.0)
    await set_pace(mesh, session, None)
    ended = await mesh.ended(session)

    assert ended.state == COMPLETED
    (camera,) = ended.cameras
    assert adds_up(camera)
    assert camera.at_end
    (skipped,) = camera.skipped
    assert skipped.end == 30
    assert camera.received == camera.container_frames - (skipped.end - skipped.first)
    assert ended.frame_sets > before.frame_sets

    events = await mesh.events()
    sets = [e.tracking.frame_set for e in events if e.HasField("tracking")]
    assert sets == list(range(1, len(sets) + 1))
    kinds = [e.session.kind for e in events if e.HasField("session")]
    assert kinds.count(events_pb2.SESSION_EVENT_KIND_SOUGHT) == 2
    ids = [_track_ids(passage) for passage in _passages(events)]
    assert [len(tracks) for tracks in ids] == [1, 1, 1]
    assert len(set.union(*ids)) == 3


async def test_a_seek_past_the_end_ends_the_session(mesh: Mesh) -> None:
    """All that was not read by then is skipped, and the books hold."""
    await mesh.add_camera("north", write_walk(mesh.media / "north.avi", LONG))
    session = await mesh.start(speed=1.0)
    await until_frame_sets(mesh, session, 3)
    await seek(mesh, session, 3600.0)
    ended = await mesh.ended(session)
    assert ended.state == COMPLETED
    (camera,) = ended.cameras
    assert adds_up(camera)
    assert camera.at_end
    (skipped,) = camera.skipped
    assert (skipped.first, skipped.end) == (camera.received, LONG)


def _passages(
    events: list[events_pb2.EnvironmentEvent],
) -> list[list[events_pb2.TrackingUpdate]]:
    """Return the updates between one seek and the next."""
    passages: list[list[events_pb2.TrackingUpdate]] = [[]]
    for event in events:
        if event.HasField("tracking"):
            passages[-1].append(event.tracking)
        elif event.session.kind == events_pb2.SESSION_EVENT_KIND_SOUGHT:
            passages.append([])
    return passages


def _track_ids(updates: list[events_pb2.TrackingUpdate]) -> set[int]:
    return {
        track.track_id
        for update in updates
        for camera in update.cameras
        for track in camera.tracks
    }


async def test_what_is_in_flight_at_a_stop_is_cancelled(mesh: Mesh) -> None:
    """Frames that wait for the detector are counted as cancelled, and nothing else."""
    await mesh.add_camera("north", write_walk(mesh.media / "north.avi", LONG))
    session = await mesh.start(speed=2.0)
    await until_frame_sets(mesh, session, 3)
    mesh.detector.gate.clear()
    await until_session(mesh.pipeline, session, lambda s: s.cameras[0].in_flight >= 3)
    await mesh.pipeline.StopSession(pipeline_pb2.StopSessionRequest(**names(session)))
    ended = await mesh.ended(session)
    mesh.detector.gate.set()
    assert ended.state == STOPPED
    (camera,) = ended.cameras
    assert camera.in_flight == 0
    assert adds_up(camera)
    assert dropped(camera)[pipeline_pb2.DROP_REASON_CANCELLED] >= 3
    assert not camera.at_end


async def test_a_pause_keeps_every_frame(mesh: Mesh) -> None:
    """Nothing moves while a session is paused, and nothing is lost by it."""
    await mesh.add_camera("north", write_walk(mesh.media / "north.avi"))
    await mesh.add_camera("south", write_walk(mesh.media / "south.avi"))
    session = await mesh.start(speed=1.0)
    await until_frame_sets(mesh, session, 3)
    pause = pipeline_pb2.PauseSessionRequest(**names(session))
    paused = await until_applied(
        mesh, (await mesh.pipeline.PauseSession(pause)).session
    )
    assert paused.state == pipeline_pb2.SESSION_STATE_PAUSED
    assert all(adds_up(camera) for camera in paused.cameras)
    still = await set_pace(mesh, session, None)
    assert still.state == pipeline_pb2.SESSION_STATE_PAUSED
    assert still.frame_sets == paused.frame_sets < FRAMES
    resume = pipeline_pb2.ResumeSessionRequest(**names(session))
    await mesh.pipeline.ResumeSession(resume)
    ended = await mesh.ended(session)
    assert ended.state == COMPLETED
    assert [camera.processed for camera in ended.cameras] == [FRAMES] * 2


async def test_a_pace_holds_recordings_back(mesh: Mesh) -> None:
    """At a slow pace little happens, and at none everything at once."""
    await mesh.add_camera("north", write_walk(mesh.media / "north.avi"))
    session = await mesh.start(speed=0.1)
    slow = await until_frame_sets(mesh, session, 1)
    assert slow.cameras[0].processed < FRAMES
    await set_pace(mesh, session, None)
    assert (await mesh.ended(session)).cameras[0].processed == FRAMES


async def test_a_camera_without_calibration_has_persons(mesh: Mesh) -> None:
    """Its tracks have no place on the floor, and a person by what they look like."""
    north, south = (write_walk(mesh.media / f"{name}.avi") for name in "ns")
    await mesh.add_camera("north", north)
    await mesh.add_camera("south", south, calibrated=False)
    ended = await mesh.ended(await mesh.start())
    assert ended.state == COMPLETED
    assert [camera.processed for camera in ended.cameras] == [FRAMES] * 2
    calibrated, blind = (await mesh.updates())[-1].cameras
    assert calibrated.tracks[0].HasField("position")
    assert not blind.tracks[0].HasField("position")
    assert blind.tracks[0].global_id == calibrated.tracks[0].global_id != 0


async def test_nobody_is_seen_in_an_ignore_mask(mesh: Mesh) -> None:
    """People whose feet stand in the mask are no detections at all."""
    everywhere = [(0, 0), (WIDTH_PX, 0), (WIDTH_PX, HEIGHT_PX), (0, HEIGHT_PX)]
    path = write_walk(mesh.media / "walk.avi")
    await mesh.add_camera("masked", path, mask=everywhere)
    await mesh.add_camera("open", path)
    ended = await mesh.ended(await mesh.start())
    masked, seeing = ended.cameras
    assert (masked.processed, seeing.processed) == (FRAMES, FRAMES)
    assert (masked.detections, masked.tracks) == (0, 0)
    assert (seeing.detections, seeing.tracks) == (FRAMES, 1)
