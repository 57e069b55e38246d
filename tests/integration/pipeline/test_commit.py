"""The atomic commit on a real Valkey."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from services.common.event_log import EventLog, Retention, event_payload
from services.common.redis_client import open_redis
from services.pipeline.adapters.commit_log import CommitLog
from services.pipeline.domain.lease import LeaseLost
from services.pipeline.domain.running import (
    FrameSetCommit,
    SessionChange,
    SourceState,
)
from spoton.common.v1 import events_pb2
from stack.stores.process import StoreProcess
from stack.stores.valkey import Valkey
from tests.fakes.pipeline_sessions import NORTH, PLAZA, SOUTH, new_lease


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    """Return a client of an empty store."""
    async with open_redis(valkey_url) as client:
        yield client


def frame_set(number: int, state: SourceState | None = None) -> FrameSetCommit:
    """Return the commit of a frame set."""
    tracking = events_pb2.TrackingUpdate(session_id="session-1", frame_set=number)
    event = events_pb2.EnvironmentEvent(tracking=tracking)
    return FrameSetCommit(number, event_payload(PLAZA, event), state or SourceState())


async def committed_frame_sets(redis: Redis) -> list[int]:
    """Return the numbers of the frame sets in the log."""
    events = await EventLog(redis).read(PLAZA, 0, limit=1000)
    return [e.tracking.frame_set for e in events if e.HasField("tracking")]


async def test_a_new_owner_goes_on_from_the_last_commit(redis: Redis) -> None:
    """Positions, checkpoints and counters come back as they were written."""
    log = CommitLog(redis, EventLog(redis))
    first = await log.claim(new_lease(1))
    both = {NORTH: b"n1", SOUTH: b"s1"}
    await first.commit(frame_set(0, SourceState(both, both, b"ledger-1")))
    await first.commit(frame_set(1, SourceState({NORTH: b"n2"}, {SOUTH: b""})))

    claimed = (await log.claim(new_lease(2))).claimed

    assert claimed.frame_set == 1
    assert claimed.state.positions == {NORTH: b"n2", SOUTH: b"s1"}
    assert claimed.state.checkpoints == {NORTH: b"n1"}
    assert claimed.state.ledger == b"ledger-1"
    assert claimed.ended is None


async def test_the_first_owner_begins_with_nothing(redis: Redis) -> None:
    """A session that never committed has no frame set."""
    claimed = (await CommitLog(redis, EventLog(redis)).claim(new_lease())).claimed
    assert claimed.frame_set is None
    assert claimed.state == SourceState()


async def test_an_old_owner_can_write_nothing(redis: Redis) -> None:
    """After a newer claim, commit, record and claim are refused and leave no trace."""
    log = CommitLog(redis, EventLog(redis))
    old = await log.claim(new_lease(1))
    await old.commit(frame_set(0))
    new = await log.claim(new_lease(2))

    with pytest.raises(LeaseLost):
        await old.commit(frame_set(1))
    with pytest.raises(LeaseLost):
        await old.record(SessionChange.FAILED)
    with pytest.raises(LeaseLost):
        await log.claim(new_lease(1))

    await new.commit(frame_set(1))
    assert await committed_frame_sets(redis) == [0, 1]


async def test_a_repeated_commit_changes_nothing(redis: Redis) -> None:
    """A frame set committed before answers as if it were new and adds no event."""
    commits = await CommitLog(redis, EventLog(redis)).claim(new_lease())
    first = await commits.commit(frame_set(3))
    assert await commits.commit(frame_set(3)) == first
    assert await committed_frame_sets(redis) == [3]


async def test_the_end_of_a_session_is_part_of_its_state(redis: Redis) -> None:
    """Who claims a session that ended learns how."""
    log = CommitLog(redis, EventLog(redis))
    commits = await log.claim(new_lease(1))
    await commits.record(SessionChange.RUNNING)
    await commits.record(SessionChange.COMPLETED, detail="done")
    claimed = (await log.claim(new_lease(2))).claimed
    assert claimed.ended is SessionChange.COMPLETED
    running, completed = await EventLog(redis).read(PLAZA, 0)
    assert running.session.kind == events_pb2.SESSION_EVENT_KIND_RUNNING
    assert (completed.session.detail, completed.session.epoch) == ("done", 1)


async def test_a_seek_is_committed_with_its_revision_and_positions(
    redis: Redis,
) -> None:
    """A new owner knows that the seek was carried out."""
    log = CommitLog(redis, EventLog(redis))
    commits = await log.claim(new_lease(1))
    moved = SourceState(positions={NORTH: b"later"})
    await commits.record(SessionChange.SOUGHT, applied_revision=4, state=moved)
    claimed = (await log.claim(new_lease(2))).claimed
    assert claimed.applied_revision == 4
    assert claimed.state.positions == {NORTH: b"later"}


async def test_a_full_log_holds_recordings_until_it_is_read(redis: Redis) -> None:
    """Rather than take events from a durable reader, a file session waits."""
    event_log = EventLog(redis, Retention(ceiling_bytes=200))
    await event_log.set_reader_position(PLAZA, "analytics", 0)
    commits = await CommitLog(redis, event_log).claim(new_lease())
    fitting = 200 // len(frame_set(1).event)
    for number in range(fitting):
        await commits.commit(frame_set(number + 1))
    held = asyncio.create_task(commits.commit(frame_set(fitting + 1)))
    done, _ = await asyncio.wait([held], timeout=0.5)
    assert not done
    await event_log.set_reader_position(PLAZA, "analytics", 1000)
    await held
    assert (await event_log.bounds(PLAZA)).last == fitting + 1


async def test_commits_survive_a_store_that_goes_away(
    valkey_server: StoreProcess[Valkey],
) -> None:
    """A commit begun while the store is stopped is there once it is back."""
    async with open_redis(valkey_server.store.url) as redis:
        commits = await CommitLog(redis, EventLog(redis)).claim(new_lease())
        await commits.commit(frame_set(0))
        await asyncio.to_thread(valkey_server.stop)
        waiting = asyncio.create_task(commits.commit(frame_set(1)))
        done, _ = await asyncio.wait([waiting], timeout=1.0)
        assert not done
        await asyncio.to_thread(valkey_server.start)
        await waiting
        await commits.commit(frame_set(2))
        assert await committed_frame_sets(redis) == [0, 1, 2]
