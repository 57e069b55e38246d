"""Watching the events of an environment, over the wire and beneath it."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc import aio
from redis.asyncio import Redis

from services.common.errors import NotFound, Overloaded
from services.common.event_log import EventLog, Retention
from services.common.ids import EnvironmentId
from services.common.redis_client import open_redis
from services.pipeline.adapters.event_reader import EventDelivery, EventReader, Patience
from services.pipeline.domain.resume import resume_token
from spoton.common.v1 import events_pb2
from spoton.pipeline.v1 import pipeline_pb2
from stack.stores.process import StoreProcess
from stack.stores.valkey import Valkey
from tests.fakes.pipeline_sessions import PLAZA
from tests.fakes.session_runner import Runners
from tests.fakes.session_steps import Stub, create_session, until_session

Request = pipeline_pb2.WatchTrackingRequest


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    """Return a client of an empty store."""
    async with open_redis(valkey_url) as client:
        yield client


@pytest.fixture
async def stub(pipeline) -> AsyncIterator[Stub]:
    """Give a client of a pipeline whose sessions stand still."""
    async with pipeline(Runners()) as running:
        yield running.stub


async def publish(
    log: EventLog,
    numbers: range,
    environment_id: str = PLAZA,
    *,
    padding: int = 0,
) -> None:
    """Append tracking updates with these frame sets."""
    for number in numbers:
        tracking = events_pb2.TrackingUpdate(
            session_id="s", timeline_id="x" * padding, frame_set=number
        )
        await log.append(
            EnvironmentId(environment_id),
            events_pb2.EnvironmentEvent(tracking=tracking),
            producer="test",
            producer_sequence=number,
        )


async def read_frame_sets(call, count: int) -> list[int]:
    """Return the frame sets of the next `count` tracking updates."""
    numbers = []
    async for response in call:
        if response.event.HasField("tracking"):
            numbers.append(response.event.tracking.frame_set)
        if len(numbers) == count:
            return numbers
    return numbers


async def exhausted(deliveries: AsyncIterator[EventDelivery]) -> None:
    """Take deliveries until an error ends them."""
    async for _ in deliveries:
        pass


async def refusal(call) -> grpc.StatusCode:
    """Return the code that a stream ends with."""
    with pytest.raises(aio.AioRpcError) as ended:
        async for _ in call:
            pass
    return ended.value.code()


async def test_a_watcher_gets_what_happens_after_it_came(
    stub: Stub, redis: Redis, environment_id: str
) -> None:
    """Without a token the stream begins with the next event."""
    log = EventLog(redis)
    await publish(log, range(1, 4), environment_id)
    call = stub.WatchTracking(Request(environment_id=environment_id))
    keep_alive = await anext(aiter(call))
    assert not keep_alive.HasField("event")
    await publish(log, range(4, 7), environment_id)
    assert await read_frame_sets(call, 3) == [4, 5, 6]
    call.cancel()


async def test_a_watcher_may_begin_with_recent_events(
    stub: Stub, redis: Redis, environment_id: str
) -> None:
    """A message without event stands between them and what follows."""
    log = EventLog(redis)
    await publish(log, range(1, 9), environment_id)
    call = stub.WatchTracking(Request(environment_id=environment_id, recent_events=3))
    responses = [await anext(aiter(call)) for _ in range(4)]
    assert [one.event.sequence for one in responses] == [6, 7, 8, 0]
    await publish(log, range(9, 10), environment_id)
    assert await read_frame_sets(call, 1) == [9]
    call.cancel()
    all_of_none = Request(environment_id=f"{environment_id}-2", recent_events=3)
    call = stub.WatchTracking(all_of_none)
    assert not (await anext(aiter(call))).HasField("event")
    call.cancel()


@pytest.mark.parametrize(
    "request_fields",
    [{"recent_events": 10_001}, {"recent_events": 1, "from_start": True}],
)
async def test_what_recent_events_cannot_be_is_refused(
    stub: Stub, environment_id: str, request_fields: dict[str, int]
) -> None:
    """Too many, or two places to begin at, are invalid."""
    call = stub.WatchTracking(Request(environment_id=environment_id, **request_fields))
    assert await refusal(call) is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("mode", ["coalescing", "lossless"])
async def test_a_watcher_resumes_without_gap_or_repetition(
    stub: Stub, redis: Redis, environment_id: str, mode: str
) -> None:
    """The token of the last message leads to exactly what follows it."""
    log = EventLog(redis)
    await publish(log, range(1, 101), environment_id)
    first = stub.WatchTracking(Request(environment_id=environment_id, from_start=True))
    for _ in range(40):
        response = await anext(aiter(first))
    first.cancel()
    assert response.event.sequence == 40
    again = stub.WatchTracking(
        Request(
            environment_id=environment_id,
            resume_token=response.resume_token,
            lossless=mode == "lossless",
        )
    )
    reading = asyncio.create_task(read_frame_sets(again, 80))
    await publish(log, range(101, 121), environment_id)
    assert await asyncio.wait_for(reading, 10.0) == list(range(41, 121))
    again.cancel()


async def test_a_watcher_may_want_one_session_only(pipeline, redis: Redis) -> None:
    """Events of other sessions are left out."""
    environment_id = "plaza-two-sessions"
    async with pipeline(Runners(last=1, permits=2)) as running:
        first = await create_session(running.stub, environment_id)
        second = await create_session(running.stub, environment_id)
        for session in (first, second):
            await until_session(
                running.stub,
                session,
                lambda s: s.state == pipeline_pb2.SESSION_STATE_COMPLETED,
            )
        call = running.stub.WatchTracking(
            Request(
                environment_id=environment_id,
                session_id=second.session_id,
                from_start=True,
            )
        )
        events = [(await anext(aiter(call))).event for _ in range(4)]
        call.cancel()
    named = [e.tracking.session_id or e.session.session_id for e in events]
    assert named == [second.session_id] * 4


async def test_bad_watches_are_refused_by_the_error_table(
    stub: Stub, redis: Redis, environment_id: str
) -> None:
    """Unknown names, foreign tokens and tokens of events that are gone."""
    await publish(EventLog(redis, Retention(keep_s=-1.0)), range(1, 65), environment_id)
    await publish(EventLog(redis), range(65, 70), environment_id)
    name = EnvironmentId(environment_id)
    gone, never = resume_token(name, 3), resume_token(name, 999)
    foreign = resume_token(PLAZA, 1)
    expected = {
        "NOT_FOUND": [
            Request(environment_id="nowhere"),
            Request(environment_id=environment_id, session_id="nobody"),
            Request(environment_id=environment_id, resume_token=gone),
            Request(environment_id=environment_id, resume_token=never),
            Request(environment_id=environment_id, resume_token=gone, lossless=True),
        ],
        "INVALID_ARGUMENT": [
            Request(environment_id="Plaza!"),
            Request(environment_id=environment_id, resume_token="%%"),  # noqa: S106
            Request(environment_id=environment_id, resume_token=foreign),
            Request(environment_id=environment_id, resume_token=gone, from_start=True),
        ],
    }
    for code, requests in expected.items():
        for request in requests:
            assert (await refusal(stub.WatchTracking(request))).name == code, request


async def test_a_cancelled_watcher_leaves_the_others_watching(
    stub: Stub, redis: Redis, environment_id: str
) -> None:
    """One that goes away in the middle takes nothing from the rest."""
    log, request = EventLog(redis), Request(environment_id=environment_id)
    leaving, staying = stub.WatchTracking(request), stub.WatchTracking(request)
    for call in (leaving, staying):
        await anext(aiter(call))
    await publish(log, range(1, 3), environment_id)
    assert await read_frame_sets(leaving, 1) == [1]
    leaving.cancel()
    await publish(log, range(3, 5), environment_id)
    assert await read_frame_sets(staying, 4) == [1, 2, 3, 4]
    staying.cancel()


async def test_a_draining_server_sends_its_watchers_elsewhere(
    pipeline, environment_id: str
) -> None:
    """The stream ends as unavailable, which a client answers by resuming."""
    async with pipeline(Runners()) as running:
        call = running.stub.WatchTracking(Request(environment_id=environment_id))
        await anext(aiter(call))
        running.drain.start()
        assert await refusal(call) is grpc.StatusCode.UNAVAILABLE


async def test_a_slow_watcher_gets_the_latest_and_the_count_of_the_rest(
    redis: Redis,
) -> None:
    """What it missed is counted, and it never holds up the others."""
    log = EventLog(redis)
    reader = EventReader(log, Patience(queue_length=8))
    slow, fast = (reader.deliveries(PLAZA, 0) for _ in range(2))
    await publish(log, range(1, 2))
    await anext(slow)
    await anext(fast)
    await publish(log, range(2, 101))
    latest = 1
    while latest != 100:
        latest = (await anext(fast)).sequence
    got = [await anext(slow)]
    while got[-1].sequence != 100:
        got.append(await anext(slow))
    assert len(got) <= 8
    assert len(got) + sum(delivery.coalesced for delivery in got) == 99
    await slow.aclose()
    await fast.aclose()


async def test_a_watcher_that_stays_behind_is_ended(redis: Redis) -> None:
    """After its patience is used up the reader gives a stalled watcher up."""
    log = EventLog(redis)
    reader = EventReader(log, Patience(stalled_s=0.2))
    stalled, other = (reader.deliveries(PLAZA, 0) for _ in range(2))
    await publish(log, range(1, 2))
    await anext(stalled)
    await anext(other)
    deadline = asyncio.get_running_loop().time() + 0.5
    number = 2
    while asyncio.get_running_loop().time() < deadline:
        await publish(log, range(number, number + 1))
        await anext(other)
        number += 1
    with pytest.raises(Overloaded):
        await exhausted(stalled)
    await other.aclose()


async def test_a_lossless_watcher_misses_nothing_or_is_ended(redis: Redis) -> None:
    """It reads at its own pace, until what it needs next is trimmed."""
    log = EventLog(redis)
    reader = EventReader(log)
    await publish(log, range(1, 501))
    watcher = reader.every_delivery(PLAZA, 0)
    got = [(await anext(watcher)).sequence for _ in range(300)]
    assert got == list(range(1, 301))
    await publish(EventLog(redis, Retention(keep_s=-1.0)), range(501, 577))
    with pytest.raises(Overloaded):
        await exhausted(watcher)
    with pytest.raises(NotFound):
        await anext(reader.every_delivery(PLAZA, 1))


async def test_watchers_of_an_environment_share_one_reader(redis: Redis) -> None:
    """However many watch, the log is read once; with the last one reading ends."""
    log = EventLog(redis)
    reader = EventReader(log)
    watchers = [reader.deliveries(PLAZA, 0) for _ in range(5)]
    await publish(log, range(1, 2))
    for watcher in watchers:
        assert (await anext(watcher)).sequence == 1
    assert len(reader._fanouts) == 1
    for watcher in watchers:
        await watcher.aclose()
    assert not reader._fanouts


async def test_watching_goes_on_after_the_store_was_away(
    valkey_server: StoreProcess[Valkey],
) -> None:
    """A restart of the store is a silence, not an end."""
    async with open_redis(valkey_server.store.url) as redis:
        log = EventLog(redis)
        watcher = EventReader(log).deliveries(PLAZA, 0)
        await publish(log, range(1, 2))
        await anext(watcher)
        await asyncio.to_thread(valkey_server.stop)
        following = asyncio.ensure_future(anext(watcher))
        await asyncio.to_thread(valkey_server.start)
        await publish(log, range(2, 3))
        assert (await asyncio.wait_for(following, 15.0)).sequence == 2
        await watcher.aclose()
