"""The Associate stream on a real server and real stores."""

import grpc
import pytest
from grpc import aio

from services.common.errors import InvalidInput
from services.common.grpc_errors import error_from_status
from spoton.common.v1 import events_pb2
from spoton.reid.v1 import reid_pb2
from tests.integration.reid.conftest import Replica, Stub
from tests.integration.reid.conversations import (
    Conversation,
    Seen,
    Timeline,
    embedding,
    events_of,
    looks,
    persons_of,
)

WALKERS = (
    Seen("east", 1, person=1, x_m=1.0),
    Seen("east", 2, person=2, x_m=6.0),
    Seen("west", 1, person=1, x_m=1.1),
    Seen("west", 2, person=2, x_m=6.1),
)


async def test_two_cameras_agree_on_two_people(reid: Stub) -> None:
    """Tracks of overlapping cameras at one place share an id, others do not."""
    talk = Conversation(reid, Timeline())
    assert await talk.open() >= 1
    answers = await talk.play(1, 30, WALKERS)
    persons = persons_of(answers[-1])
    assert persons["east", 1] == persons["west", 1]
    assert persons["east", 2] == persons["west", 2]
    assert persons["east", 1] != persons["east", 2]
    assert not any(one.provisional for one in answers[-1].result.assignments)
    await talk.close()


async def test_most_ticks_take_one_step(reid: Stub) -> None:
    """Vectors of settled tracks are asked for rarely."""
    talk = Conversation(reid, Timeline())
    await talk.open()
    await talk.play(1, 30, WALKERS)
    assert 4 <= len(talk.asked) <= 16
    await talk.close()


async def test_a_repeated_tick_is_answered_in_the_same_words(reid: Stub) -> None:
    """A tick that was answered is answered again and not applied again."""
    timeline = Timeline()
    talk = Conversation(reid, timeline)
    await talk.open()
    answers = await talk.play(1, 5, WALKERS)
    again = await talk.ask(timeline.tick(5, WALKERS), WALKERS)
    assert again == answers[-1]
    await talk.close()
    reopened = Conversation(reid, timeline)
    await reopened.open()
    assert await reopened.ask(timeline.tick(3, WALKERS), WALKERS) == answers[2]
    await reopened.close()


async def test_an_old_tick_is_a_conflict_and_the_stream_goes_on(reid: Stub) -> None:
    """A frame set that never came and lies behind is refused as an item."""
    timeline = Timeline()
    talk = Conversation(reid, timeline)
    await talk.open()
    await talk.ask(timeline.tick(10, WALKERS), WALKERS)
    refused = await talk.ask(timeline.tick(4, WALKERS), WALKERS)
    assert refused.frame_set == 4
    assert refused.status.code == grpc.StatusCode.ABORTED.value[0]
    answer = await talk.ask(timeline.tick(11, WALKERS), WALKERS)
    assert answer.WhichOneof("outcome") == "result"
    await talk.close()


async def test_a_restart_in_the_middle_changes_nothing(replica: Replica) -> None:
    """Answers after a crash equal those of a service that never crashed."""
    steady, shaken = Timeline(), Timeline()
    labels: dict[str, list[object]] = {"steady": [], "shaken": []}

    def keep(name: str, answers: list[object]) -> None:
        for answer in answers:
            label = {one.global_id: one.label for one in answer.result.persons}
            labels[name].append(
                sorted((key, label[one]) for key, one in persons_of(answer).items())
            )

    async with replica() as stub:
        talk = Conversation(stub, steady)
        await talk.open()
        keep("steady", await talk.play(1, 24, WALKERS))
        await talk.close()
        talk = Conversation(stub, shaken)
        await talk.open()
        before = await talk.play(1, 12, WALKERS)
        keep("shaken", before)
        talk.cut()
    async with replica() as stub:
        talk = Conversation(stub, shaken)
        await talk.open()
        after = await talk.play(13, 24, WALKERS)
        keep("shaken", after)
        await talk.close()
    assert persons_of(before[-1]) == persons_of(after[-1])
    assert labels["steady"] == labels["shaken"]


async def test_an_older_epoch_cannot_open(reid: Stub) -> None:
    """Whoever comes with an older epoch is refused."""
    timeline = Timeline(epoch=5)
    talk = Conversation(reid, timeline)
    await talk.open()
    await talk.close()
    timeline.epoch = 4
    late = Conversation(reid, timeline)
    with pytest.raises(aio.AioRpcError) as caught:
        await late.open()
    assert caught.value.code() is grpc.StatusCode.ABORTED


async def test_an_old_owner_that_wakes_up_is_stopped(reid: Stub) -> None:
    """A stream whose timeline has a newer epoch ends and writes nothing."""
    timeline = Timeline(epoch=1)
    old = Conversation(reid, timeline)
    await old.open()
    await old.play(1, 3, WALKERS)
    newer = Conversation(
        reid,
        Timeline(
            timeline.environment_id, timeline.timeline_id, timeline.session_id, epoch=2
        ),
    )
    await newer.open()
    await newer.play(4, 5, WALKERS)
    with pytest.raises(aio.AioRpcError) as caught:
        await old.ask(timeline.tick(6, WALKERS), WALKERS)
    assert caught.value.code() is grpc.StatusCode.ABORTED
    answers = await newer.play(6, 6, WALKERS)
    assert answers[0].WhichOneof("outcome") == "result"
    await newer.close()


async def test_hostile_vectors_cost_one_tick(reid: Stub) -> None:
    """A vector that cannot be compared refuses its tick and changes nobody."""
    timeline = Timeline()
    talk = Conversation(reid, timeline)
    await talk.open()
    hostile = (looks(1)[:-1], looks(1) * float("nan"), looks(1) * 0)
    for number, vector in enumerate(hostile, start=1):
        await talk.send(timeline.tick(number, WALKERS))
        wanted = await talk.read()
        assert wanted.WhichOneof("outcome") == "embeddings_wanted"
        await talk.give(number, {("east", 1): vector})
        refused = await talk.read()
        assert refused.status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        assert b"embeddings.embeddings[0].embedding.values" in (
            refused.status.details[0].value
        )
    answer = (await talk.play(10, 10, WALKERS))[0]
    assert len(answer.result.persons) == 2
    assert {person.label for person in answer.result.persons} == {1, 2}
    await talk.close()


async def test_vectors_of_another_model_cost_one_tick(reid: Stub) -> None:
    """A vector that was asked for and comes from elsewhere refuses its tick."""
    timeline = Timeline()
    talk = Conversation(reid, timeline)
    await talk.open()
    tick = timeline.tick(1, WALKERS)
    foreign = embedding(looks(1))
    foreign.model_id = "another-model"
    tick.cameras[0].tracks[0].embedding.CopyFrom(foreign)
    refused = await talk.ask(tick, WALKERS)
    error = error_from_status(refused.status)
    assert isinstance(error, InvalidInput)
    assert error.field == "tick.cameras[0].tracks[0].embedding.model_id"
    assert (await talk.play(2, 2, WALKERS))[0].WhichOneof("outcome") == "result"
    await talk.close()


async def test_a_half_closed_stream_answers_what_was_sent(reid: Stub) -> None:
    """A client that has said all it will still gets every answer."""
    timeline = Timeline()
    call = reid.Associate()
    await call.write(timeline.opening(ignore_appearance=True))
    assert (await call.read()).WhichOneof("outcome") == "window"
    for number in (1, 2, 3):
        tick = timeline.tick(number, WALKERS)
        await call.write(reid_pb2.AssociateRequest(tick=tick))
    await call.done_writing()
    answers = [await call.read() for _ in range(3)]
    assert [answer.frame_set for answer in answers] == [1, 2, 3]
    assert all(answer.HasField("result") for answer in answers)
    assert await call.read() is aio.EOF


async def test_a_cancelled_stream_leaves_the_server_well(reid: Stub) -> None:
    """After a client went away with a question open, it comes back and goes on."""
    timeline = Timeline()
    talk = Conversation(reid, timeline)
    await talk.open()
    await talk.send(timeline.tick(1, WALKERS))
    assert (await talk.read()).WhichOneof("outcome") == "embeddings_wanted"
    talk.cut()
    again = Conversation(reid, timeline)
    await again.open()
    assert (await again.play(1, 1, WALKERS))[0].WhichOneof("outcome") == "result"
    await again.close()


async def test_a_tick_from_the_future_does_not_stop_the_present(reid: Stub) -> None:
    """One tick of next year is answered, and those of today go on after it."""
    timeline = Timeline()
    talk = Conversation(reid, timeline, ignore_appearance=True)
    await talk.open()
    await talk.play(1, 10, WALKERS)
    ahead = timeline.tick(11, WALKERS)
    for moment in (ahead.capture_time, *(c.frame.capture_time for c in ahead.cameras)):
        moment.seconds += 365 * 24 * 3600
    assert (await talk.ask(ahead, WALKERS)).WhichOneof("outcome") == "result"
    answers = await talk.play(12, 40, WALKERS)
    assert all(answer.HasField("result") for answer in answers)
    assert len(answers[-1].result.persons) == 2
    await talk.close()


async def test_a_hostile_tick_is_refused_by_field(reid: Stub) -> None:
    """A covariance that is none is named, and the stream goes on."""
    timeline = Timeline()
    talk = Conversation(reid, timeline)
    await talk.open()
    tick = timeline.tick(1, WALKERS)
    tick.cameras[0].tracks[1].position.covariance.xx_m2 = -1.0
    refused = await talk.ask(tick, WALKERS)
    assert refused.status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    detail = refused.status.details[0].value
    assert b"tick.cameras[0].tracks[1].position.covariance" in detail
    assert (await talk.play(2, 2, WALKERS))[0].WhichOneof("outcome") == "result"
    await talk.close()


async def test_ticks_sent_ahead_are_answered_in_order(reid: Stub) -> None:
    """A client that uses its whole window gets its answers in order."""
    timeline = Timeline()
    talk = Conversation(reid, timeline, ignore_appearance=True)
    window = await talk.open()
    for number in range(1, window + 1):
        await talk.send(timeline.tick(number, WALKERS))
    answers = [await talk.read() for _ in range(window)]
    assert [answer.frame_set for answer in answers] == list(range(1, window + 1))
    await talk.close()


async def test_a_client_that_exceeds_its_window_is_ended(reid: Stub) -> None:
    """More ticks than the window end the stream with RESOURCE_EXHAUSTED."""
    timeline = Timeline()
    talk = Conversation(reid, timeline)
    window = await talk.open()
    for number in range(1, window + 3):
        await talk.send(timeline.tick(number, WALKERS))
    with pytest.raises(aio.AioRpcError) as caught:
        await talk.close()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_without_the_floor_appearance_decides(reid: Stub) -> None:
    """Tracks without positions are joined by what they look like."""
    seen = tuple(
        Seen(camera, track, person)
        for camera, track, person in (
            ("east", 1, 1),
            ("east", 2, 2),
            ("west", 1, 2),
            ("west", 2, 1),
        )
    )
    talk = Conversation(reid, Timeline(), ignore_floor=True)
    await talk.open()
    persons = persons_of((await talk.play(1, 25, seen))[-1])
    assert persons["east", 1] == persons["west", 2]
    assert persons["east", 2] == persons["west", 1]
    assert len(set(persons.values())) == 2
    await talk.close()


async def test_who_returns_is_recognised(reid: Stub) -> None:
    """A person who leaves and comes back has the old id, and an event says so."""
    timeline = Timeline()
    talk = Conversation(reid, timeline)
    await talk.open()
    here = (Seen("east", 1, person=7, x_m=2.0),)
    before = await talk.play(1, 30, here)
    await talk.play(31, 90, ())
    back = (Seen("east", 2, person=7, x_m=3.0),)
    after = await talk.play(91, 130, back)
    assert persons_of(after[-1])["east", 2] == persons_of(before[-1])["east", 1]
    kinds = [event.kind for event in events_of(after)]
    assert events_pb2.IDENTITY_EVENT_KIND_RETURNED in kinds
    await talk.close()


async def test_an_empty_stream_ends_in_peace(reid: Stub) -> None:
    """A client that opens nothing, or sends no tick, does no harm."""
    call = reid.Associate()
    await call.done_writing()
    assert await call.read() is aio.EOF
    talk = Conversation(reid, Timeline())
    await talk.open()
    await talk.close()


async def test_a_stream_must_begin_with_open(reid: Stub) -> None:
    """A tick in place of open is refused."""
    talk = Conversation(reid, Timeline())
    await talk.send(Timeline().tick(1, ()))
    with pytest.raises(aio.AioRpcError) as caught:
        await talk.read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
