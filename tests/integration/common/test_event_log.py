"""The event log on a real Valkey."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from services.common.errors import NotFound, Unavailable
from services.common.event_log import EventLog, LogBounds, LogKeys, Retention
from services.common.ids import EnvironmentId
from services.common.redis_client import open_redis
from spoton.common.v1 import events_pb2

PLAZA = EnvironmentId("plaza")


def zone_event(zone_id: str = "door") -> events_pb2.EnvironmentEvent:
    """Return an event about a zone."""
    return events_pb2.EnvironmentEvent(zone=events_pb2.ZoneEvent(zone_id=zone_id))


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    """Return a client of an empty store."""
    async with open_redis(valkey_url) as client:
        yield client


async def fill(log: EventLog, count: int, producer: str = "test") -> None:
    """Append `count` events."""
    for number in range(1, count + 1):
        await log.append(
            PLAZA, zone_event(), producer=producer, producer_sequence=number
        )


async def test_sequences_are_contiguous_over_concurrent_producers(redis: Redis) -> None:
    """Twenty producers at once leave numbers without gaps, starting at 1."""
    log = EventLog(redis)
    await asyncio.gather(*(fill(log, 5, f"p{number}") for number in range(20)))
    events = await log.read(PLAZA, 0, limit=200)
    assert [event.sequence for event in events] == list(range(1, 101))


async def test_an_event_reads_back_with_environment_sequence_and_time(
    redis: Redis,
) -> None:
    """The log fills in what the producer left out."""
    log = EventLog(redis)
    await log.append(PLAZA, zone_event("hall"), producer="p", producer_sequence=1)
    (event,) = await log.read(PLAZA, 0)
    assert (event.environment_id, event.sequence) == ("plaza", 1)
    assert event.zone.zone_id == "hall"
    assert event.event_time.seconds > 0


async def test_a_repeated_append_adds_nothing(redis: Redis) -> None:
    """The same producer sequence answers the same sequence again."""
    log = EventLog(redis)
    first = await log.append(PLAZA, zone_event(), producer="p", producer_sequence=7)
    again = await log.append(PLAZA, zone_event(), producer="p", producer_sequence=7)
    assert first == again == 1
    assert await log.bounds(PLAZA) == LogBounds(1, 1)


async def test_producers_do_not_hide_each_other(redis: Redis) -> None:
    """Equal numbers of different producers are different events."""
    log = EventLog(redis)
    await log.append(PLAZA, zone_event(), producer="p", producer_sequence=1)
    await log.append(PLAZA, zone_event(), producer="q", producer_sequence=1)
    assert await log.bounds(PLAZA) == LogBounds(1, 2)


async def test_bounds_of_an_empty_log(redis: Redis) -> None:
    """Before the first event the next one is number 1."""
    assert await EventLog(redis).bounds(PLAZA) == LogBounds(1, 0)


async def test_old_entries_are_trimmed_by_time(redis: Redis) -> None:
    """Past its age an entry goes with one of the next appends."""
    log = EventLog(redis, Retention(keep_s=-1.0))
    await fill(log, 64)
    assert await log.bounds(PLAZA) == LogBounds(65, 64)
    await fill(log, 1, "late")
    with pytest.raises(NotFound):
        await log.read(PLAZA, 10)


async def test_a_durable_reader_protects_what_it_has_not_stored(redis: Redis) -> None:
    """Below the ceiling age alone removes nothing that a reader still needs."""
    log = EventLog(redis, Retention(keep_s=-1.0))
    await log.set_reader_position(PLAZA, "analytics", 40)
    await fill(log, 64)
    assert await log.bounds(PLAZA) == LogBounds(41, 64)


async def test_the_ceiling_trims_even_protected_entries_and_says_so(
    redis: Redis,
) -> None:
    """Above the ceiling the oldest go, and a gap event tells the readers."""
    log = EventLog(redis, Retention(ceiling_bytes=400))
    await log.set_reader_position(PLAZA, "analytics", 0)
    await fill(log, 100)
    bounds = await log.bounds(PLAZA)
    assert bounds.first > 1
    events = await log.read(PLAZA, bounds.first - 1, limit=200)
    gaps = [
        e for e in events if e.session.kind == events_pb2.SESSION_EVENT_KIND_HISTORY_GAP
    ]
    assert gaps
    assert [e.sequence for e in events] == list(range(bounds.first, bounds.last + 1))


async def test_the_byte_count_follows_what_is_kept(redis: Redis) -> None:
    """After trimming, the counted bytes are those of the entries that remain."""
    log = EventLog(redis, Retention(ceiling_bytes=500))
    await fill(log, 100)
    entries = await redis.xrange(LogKeys(PLAZA).events)
    kept = sum(len(fields[b"event"]) for _, fields in entries)
    assert int(await redis.hget(LogKeys(PLAZA).log, "bytes")) == kept <= 500


async def test_a_waiting_read_answers_as_soon_as_an_event_comes(redis: Redis) -> None:
    """A read with nothing to return waits for the next append."""
    log = EventLog(redis)
    reading = asyncio.create_task(log.read(PLAZA, 0, wait_s=4))
    await log.append(PLAZA, zone_event(), producer="p", producer_sequence=1)
    assert [event.sequence for event in await reading] == [1]


async def test_a_store_that_is_away_is_unavailable() -> None:
    """After a few attempts the caller learns that the store cannot be reached."""
    async with open_redis("redis://127.0.0.1:1/0") as client:
        with pytest.raises(Unavailable):
            await EventLog(client).bounds(PLAZA)
