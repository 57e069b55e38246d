"""What operators say, through the RPCs, on real stores, with and without a session."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from services.common.device_watch import DeviceReport
from services.common.drain import DrainSignal
from services.common.errors import (
    DeadlineExceeded,
    InvalidInput,
    NotFound,
)
from services.common.event_log import EventLog
from services.common.grpc_client import open_channel
from services.common.grpc_server import running_server
from services.common.ids import EnvironmentId
from services.common.postgres import open_pool
from services.common.redis_client import open_redis
from services.reid.bootstrap import SCHEMA, load_embedders, prepare, wired
from services.reid.observe import MODEL_DEVICE
from spoton.common.v1 import events_pb2
from spoton.reid.v1 import feedback_pb2 as pb
from spoton.reid.v1 import feedback_pb2_grpc, reid_pb2, reid_pb2_grpc
from tests.integration.refusals import failure
from tests.integration.reid.conftest import service_config
from tests.integration.reid.conversations import (
    Conversation,
    Seen,
    Timeline,
    fresh,
    persons_of,
)

APART = (
    Seen("east", 1, person=1, x_m=1.0),
    Seen("west", 2, person=2, x_m=9.0),
)
TOGETHER = (
    Seen("east", 1, person=1, x_m=1.0),
    Seen("west", 2, person=1, x_m=1.1),
)
SAME_CAMERA = (
    Seen("east", 1, person=1, x_m=1.0),
    Seen("east", 2, person=2, x_m=9.0),
)
WEST = reid_pb2.TrackKey(camera_id="west", track_id=2)


@dataclass
class Stubs:
    """The services of one replica."""

    reid: reid_pb2_grpc.ReidServiceStub
    feedback: feedback_pb2_grpc.FeedbackServiceStub


@asynccontextmanager
async def replica_of(config: object) -> AsyncIterator[Stubs]:
    """Run one replica and connect to all of its services."""
    embedders = load_embedders(config, DeviceReport(MODEL_DEVICE))
    async with (
        wired(config, embedders, DrainSignal(grace_s=1.0)) as register,
        running_server(register) as address,
        open_channel(address) as channel,
    ):
        yield Stubs(
            reid_pb2_grpc.ReidServiceStub(channel),
            feedback_pb2_grpc.FeedbackServiceStub(channel),
        )


@pytest.fixture
async def config(postgres_dsn: str, valkey_url: str, s3: object) -> object:
    """Give a test the configuration of a service whose tables exist."""
    made = service_config(postgres_dsn, valkey_url, s3, FEEDBACK_PATIENCE_S="2")
    await prepare(made)
    return made


@pytest.fixture
async def stubs(config: object) -> AsyncIterator[Stubs]:
    """Give a test a running service."""
    async with replica_of(config) as running:
        yield running


async def played(
    stubs: Stubs, timeline: Timeline, seen: tuple[Seen, ...]
) -> tuple[Conversation, list[int]]:
    """Return an open stream, and the persons of two tracks."""
    talk = Conversation(stubs.reid, timeline, ignore_appearance=True)
    await talk.open()
    held = persons_of((await talk.play(1, 40, seen))[-1])
    return talk, [held[one.camera, one.track] for one in seen]


async def identity_of(
    stubs: Stubs, timeline: Timeline, global_id: int
) -> reid_pb2.Identity:
    """Return a stored person."""
    answer = await stubs.reid.GetIdentity(
        reid_pb2.GetIdentityRequest(
            environment_id=timeline.environment_id, global_id=global_id
        )
    )
    return answer.identity


async def test_a_merge_takes_effect_while_a_stream_is_open(stubs: Stubs) -> None:
    """The next frame set shows one person, and the floor does not part them."""
    timeline = Timeline()
    talk, (first, second) = await played(stubs, timeline, APART)
    assert first != second
    answer = await stubs.feedback.MergeIdentities(
        pb.MergeIdentitiesRequest(
            environment_id=timeline.environment_id,
            global_id=first,
            other_global_id=second,
        )
    )
    assert answer.global_id == first
    answers = await talk.play(41, 80, APART)
    assert {p for one in answers for p in persons_of(one).values()} == {first}
    assert (await identity_of(stubs, timeline, second)).merged_into == first
    await talk.close()


async def test_a_merge_is_carried_out_while_ticks_come(stubs: Stubs) -> None:
    """A session that runs on does not keep an operator waiting."""
    timeline = Timeline()
    talk, (first, second) = await played(stubs, timeline, APART)
    merge = asyncio.ensure_future(
        stubs.feedback.MergeIdentities(
            pb.MergeIdentitiesRequest(
                environment_id=timeline.environment_id,
                global_id=first,
                other_global_id=second,
            )
        )
    )
    number = 41
    async with asyncio.timeout(20):
        while not merge.done():
            await talk.ask(timeline.tick(number, APART), APART)
            number += 1
    assert (await merge).global_id == first
    (answer,) = await talk.play(number, number, APART)
    assert set(persons_of(answer).values()) == {first}
    await talk.close()


async def test_a_merge_works_where_no_session_runs_and_outlasts_a_restart(
    config: object,
) -> None:
    """Another replica opens the timeline and finds one person, and keeps it."""
    timeline = Timeline()
    async with replica_of(config) as stubs:
        talk, (first, second) = await played(stubs, timeline, APART)
        await talk.close()
        await stubs.feedback.MergeIdentities(
            pb.MergeIdentitiesRequest(
                environment_id=timeline.environment_id,
                global_id=first,
                other_global_id=second,
            )
        )
    async with replica_of(config) as stubs:
        talk = Conversation(stubs.reid, timeline, ignore_appearance=True)
        await talk.open()
        answers = await talk.play(41, 80, APART)
        assert {p for one in answers for p in persons_of(one).values()} == {first}
        await talk.close()


async def test_a_split_undoes_a_merge(stubs: Stubs) -> None:
    """The merged identity has its id and sightings again, and its track."""
    timeline = Timeline()
    talk, (first, second) = await played(stubs, timeline, APART)
    environment = timeline.environment_id
    await stubs.feedback.MergeIdentities(
        pb.MergeIdentitiesRequest(
            environment_id=environment, global_id=first, other_global_id=second
        )
    )
    await talk.play(41, 50, APART)
    answer = await stubs.feedback.SplitIdentity(
        pb.SplitIdentityRequest(
            environment_id=environment, global_id=first, merged_global_id=second
        )
    )
    assert (answer.global_id, answer.other_global_id) == (first, second)
    held = persons_of((await talk.play(51, 60, APART))[-1])
    assert held == {("east", 1): first, ("west", 2): second}
    await talk.close()
    back = await identity_of(stubs, timeline, second)
    assert back.merged_into == 0
    assert [(one.camera_id, one.detections) for one in back.cameras] == [("west", 60)]
    rest = await identity_of(stubs, timeline, first)
    assert [(one.camera_id, one.detections) for one in rest.cameras] == [("east", 60)]


async def test_prototypes_go_back_with_an_undone_merge(
    stubs: Stubs, postgres_dsn: str
) -> None:
    """Vectors come to a person by a merge, and leave by its undoing."""
    timeline = Timeline()
    talk = Conversation(stubs.reid, timeline)
    await talk.open()
    held = persons_of((await talk.play(1, 40, APART))[-1])
    first, second = held["east", 1], held["west", 2]
    await talk.close()
    before = [
        (await identity_of(stubs, timeline, one)).prototype_count
        for one in (first, second)
    ]
    assert min(before) >= 1
    environment = timeline.environment_id
    await stubs.feedback.MergeIdentities(
        pb.MergeIdentitiesRequest(
            environment_id=environment, global_id=first, other_global_id=second
        )
    )
    merged = await identity_of(stubs, timeline, first)
    assert merged.prototype_count == sum(before)
    await stubs.feedback.SplitIdentity(
        pb.SplitIdentityRequest(
            environment_id=environment, global_id=first, merged_global_id=second
        )
    )
    after = [
        (await identity_of(stubs, timeline, one)).prototype_count
        for one in (first, second)
    ]
    assert after == before
    async with open_pool(postgres_dsn, SCHEMA) as pool, pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT DISTINCT kind FROM score_samples WHERE environment_id = %s"
            " AND kind IN ('confirmed', 'rejected')",
            (environment,),
        )
        # The merge that was undone teaches nothing any more.
        assert await cursor.fetchall() == [("rejected",)]


async def test_a_split_takes_tracks_for_good(stubs: Stubs) -> None:
    """Two tracks in one place are two persons from then on."""
    timeline = Timeline()
    talk, (person, same) = await played(stubs, timeline, TOGETHER)
    assert person == same
    answer = await stubs.feedback.SplitIdentity(
        pb.SplitIdentityRequest(
            environment_id=timeline.environment_id, global_id=person, tracks=[WEST]
        )
    )
    other = answer.other_global_id
    answers = await talk.play(41, 80, TOGETHER)
    assert all(
        persons_of(one) == {("east", 1): person, ("west", 2): other} for one in answers
    )
    await talk.close()


async def test_a_match_is_rejected_and_confirmed(stubs: Stubs) -> None:
    """A track leaves a person, and comes back when the operator takes that back."""
    timeline = Timeline()
    environment = timeline.environment_id
    talk, (person, _) = await played(stubs, timeline, TOGETHER)
    rejected = await stubs.feedback.RejectMatch(
        pb.RejectMatchRequest(environment_id=environment, global_id=person, track=WEST)
    )
    assert rejected.global_id != person
    held = persons_of((await talk.play(41, 60, TOGETHER))[-1])
    assert held == {("east", 1): person, ("west", 2): rejected.global_id}
    request = pb.ConfirmMatchRequest(
        environment_id=environment, global_id=person, track=WEST
    )
    error = await failure(stubs.feedback.ConfirmMatch(request))
    assert isinstance(error, InvalidInput)
    assert error.field == "track"
    request.replace_feedback = True
    assert (await stubs.feedback.ConfirmMatch(request)).global_id == person
    held = persons_of((await talk.play(61, 80, TOGETHER))[-1])
    assert set(held.values()) == {person}
    await talk.close()


async def test_two_who_one_camera_saw_at_once_stay_two(stubs: Stubs) -> None:
    """The error names the field and the camera; a session is not disturbed."""
    timeline = Timeline()
    talk, (first, second) = await played(stubs, timeline, SAME_CAMERA)
    error = await failure(
        stubs.feedback.MergeIdentities(
            pb.MergeIdentitiesRequest(
                environment_id=timeline.environment_id,
                global_id=first,
                other_global_id=second,
                replace_feedback=True,
            )
        )
    )
    assert isinstance(error, InvalidInput)
    assert error.field == "other_global_id"
    assert "east" in error.message
    held = persons_of((await talk.play(41, 41, SAME_CAMERA))[-1])
    assert held == {("east", 1): first, ("east", 2): second}
    await talk.close()


async def test_history_hears_of_it(stubs: Stubs, valkey_url: str) -> None:
    """Lineage is in the event stream, without a frame set."""
    timeline = Timeline()
    talk, (first, second) = await played(stubs, timeline, APART)
    await talk.close()
    names = {"environment_id": timeline.environment_id, "global_id": first}
    await stubs.feedback.MergeIdentities(
        pb.MergeIdentitiesRequest(**names, other_global_id=second)
    )
    await stubs.feedback.SplitIdentity(
        pb.SplitIdentityRequest(**names, merged_global_id=second)
    )
    said = [events_pb2.IDENTITY_EVENT_KIND_MERGED, events_pb2.IDENTITY_EVENT_KIND_SPLIT]
    environment = EnvironmentId(timeline.environment_id)
    async with open_redis(valkey_url) as redis:
        log = EventLog(redis)
        async with asyncio.timeout(20):
            while len(await log.read(environment, after=0, limit=100)) < 4:
                await asyncio.sleep(0.05)
        logged = [
            one.identity for one in await log.read(environment, after=0, limit=100)
        ][2:]
    assert [one.kind for one in logged] == said
    for event in logged:
        assert (event.global_id, event.other_global_id) == (first, second)
        assert not event.HasField("frame_set")


NORTH = reid_pb2.TrackKey(camera_id="north", track_id=7)
EAST = reid_pb2.TrackKey(camera_id="east", track_id=1)
REFUSALS = [
    (pb.MergeIdentitiesRequest(other_global_id=5), NotFound, "other_global_id"),
    (pb.MergeIdentitiesRequest(), InvalidInput, "other_global_id"),
    (pb.SplitIdentityRequest(), InvalidInput, "merged_global_id"),
    (pb.SplitIdentityRequest(merged_global_id=5), NotFound, "merged_global_id"),
    (pb.SplitIdentityRequest(tracks=[WEST, WEST]), InvalidInput, "tracks[1]"),
    (pb.SplitIdentityRequest(tracks=[WEST]), InvalidInput, "tracks[0]"),
    (pb.SplitIdentityRequest(tracks=[NORTH]), NotFound, "tracks[0]"),
    (pb.SplitIdentityRequest(tracks=[EAST]), InvalidInput, "tracks"),
    (pb.ConfirmMatchRequest(track=NORTH), NotFound, "track"),
    (pb.ConfirmMatchRequest(), InvalidInput, "track.camera_id"),
    (pb.RejectMatchRequest(track=EAST), InvalidInput, "track"),
    (pb.RejectMatchRequest(track=NORTH), NotFound, "track"),
    (
        pb.RejectMatchRequest(track=reid_pb2.TrackKey(camera_id="east")),
        InvalidInput,
        "track.track_id",
    ),
]


async def test_what_cannot_be_is_refused(stubs: Stubs) -> None:
    """Every refusal names the field at fault, and an unknown person is not found."""
    timeline = Timeline()
    talk, (first, _) = await played(stubs, timeline, APART)
    await talk.close()
    rpcs = {
        pb.MergeIdentitiesRequest: stubs.feedback.MergeIdentities,
        pb.SplitIdentityRequest: stubs.feedback.SplitIdentity,
        pb.ConfirmMatchRequest: stubs.feedback.ConfirmMatch,
        pb.RejectMatchRequest: stubs.feedback.RejectMatch,
    }
    for request, kind, field in REFUSALS:
        request.environment_id, request.global_id = timeline.environment_id, first
        error = await failure(rpcs[type(request)](request))
        assert (type(error), error.field) == (kind, field), request
    request = pb.RejectMatchRequest(environment_id="x", global_id=first, track=EAST)
    error = await failure(stubs.feedback.RejectMatch(request))
    assert (type(error), error.field) == (NotFound, "global_id")
    # Nothing of it changed anything.
    assert (await identity_of(stubs, timeline, first)).merged_into == 0


async def test_persons_of_two_timelines_are_never_one(stubs: Stubs) -> None:
    """A merge across timelines is refused."""
    environment = fresh("plaza")
    firsts = []
    for _ in range(2):
        timeline = Timeline(environment_id=environment)
        talk, (first, _) = await played(stubs, timeline, APART)
        await talk.close()
        firsts.append(first)
    error = await failure(
        stubs.feedback.MergeIdentities(
            pb.MergeIdentitiesRequest(
                environment_id=environment,
                global_id=firsts[0],
                other_global_id=firsts[1],
            )
        )
    )
    assert isinstance(error, InvalidInput)
    assert error.field == "other_global_id"


async def test_a_hold_that_has_run_out_keeps_nobody_waiting(
    stubs: Stubs, postgres_dsn: str
) -> None:
    """A timeline whose replica died is written by whoever takes the command."""
    timeline = Timeline()
    talk, (first, second) = await played(stubs, timeline, APART)
    talk.cut()
    await set_hold(postgres_dsn, timeline, "now() - interval '1 second'")
    answer = await stubs.feedback.MergeIdentities(
        pb.MergeIdentitiesRequest(
            environment_id=timeline.environment_id,
            global_id=first,
            other_global_id=second,
        )
    )
    assert answer.global_id == first
    again = Conversation(stubs.reid, timeline, ignore_appearance=True)
    await again.open()
    held = persons_of((await again.play(41, 60, APART))[-1])
    assert set(held.values()) == {first}
    await again.close()


async def test_a_session_that_does_not_listen_is_not_waited_for_for_ever(
    stubs: Stubs, postgres_dsn: str
) -> None:
    """The call ends, and the command is carried out when the timeline is opened."""
    timeline = Timeline()
    talk, (first, second) = await played(stubs, timeline, APART)
    await talk.close()
    # As a replica that hangs leaves it.
    await set_hold(postgres_dsn, timeline, "now() + interval '1 hour'")
    call = stubs.feedback.MergeIdentities(
        pb.MergeIdentitiesRequest(
            environment_id=timeline.environment_id,
            global_id=first,
            other_global_id=second,
        )
    )
    assert isinstance(await failure(call), DeadlineExceeded)
    again = Conversation(stubs.reid, timeline, ignore_appearance=True)
    await again.open()
    async with asyncio.timeout(20):
        while (await identity_of(stubs, timeline, second)).merged_into != first:
            await asyncio.sleep(0.05)
    held = persons_of((await again.play(41, 41, APART))[-1])
    assert set(held.values()) == {first}
    await again.close()


async def set_hold(dsn: str, timeline: Timeline, until: str) -> None:
    """Say until when a timeline is held."""
    async with open_pool(dsn, SCHEMA) as pool, pool.connection() as connection:
        await connection.execute(
            f"UPDATE timelines SET held_until = {until} WHERE timeline_id = %s",  # noqa: S608 - constants.
            (timeline.timeline_id,),
        )
