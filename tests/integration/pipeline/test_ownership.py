"""Leases: who runs a session, and who may no longer."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.common.errors import InvalidInput, Unavailable
from services.common.event_log import EventLog
from services.common.ids import EnvironmentId, SessionId, TimelineId
from services.common.postgres import Pool, migrate, open_pool
from services.common.redis_client import open_redis
from services.pipeline.adapters.lease_store import PostgresLeaseStore
from services.pipeline.adapters.session_store import PostgresSessionStore
from services.pipeline.bootstrap import SCHEMA, VERSIONS, new_name
from services.pipeline.domain.lease import Lease, LeaseLost
from services.pipeline.domain.session import SessionState
from services.pipeline.owner import Report
from spoton.common.v1 import events_pb2
from spoton.pipeline.v1 import pipeline_pb2
from stack.stores.postgres import Postgres
from stack.stores.process import StoreProcess
from tests.fakes.pipeline_sessions import new_request
from tests.fakes.session_runner import Runners
from tests.fakes.session_steps import create_session, until, until_session

RUNNING = Report(SessionState.RUNNING, 0, None)


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[Pool]:
    """Give connections to a schema without sessions."""
    await migrate(postgres_dsn, SCHEMA, VERSIONS)
    async with open_pool(postgres_dsn, SCHEMA) as pool:
        async with pool.connection() as connection:
            await connection.execute("DELETE FROM sessions")
        yield pool


async def new_session(pool: Pool) -> SessionId:
    """Store a session that nobody owns."""
    session = await PostgresSessionStore(pool).create(
        SessionId(new_name("session")), TimelineId(new_name("timeline")), new_request()
    )
    return session.session_id


async def expire(pool: Pool, lease: Lease) -> None:
    """Let a lease be over."""
    async with pool.connection() as connection:
        await connection.execute(
            "UPDATE sessions SET lease_expires_at = 'epoch' WHERE session_id = %s",
            (lease.session.session_id,),
        )


async def test_of_many_owners_one_gets_the_session(
    pool: Pool, postgres_dsn: str
) -> None:
    """However many ask at once, a session has one owner."""
    leases = PostgresLeaseStore(pool, postgres_dsn, 5.0)
    await new_session(pool)
    taken = await asyncio.gather(*(leases.acquire(f"owner-{i}") for i in range(8)))
    assert len([lease for lease in taken if lease is not None]) == 1


async def test_an_owner_whose_lease_passed_on_can_write_nothing(
    pool: Pool, postgres_dsn: str
) -> None:
    """Neither progress nor an end comes from an old epoch, and nothing changes."""
    leases = PostgresLeaseStore(pool, postgres_dsn, 5.0)
    await new_session(pool)
    old = await leases.acquire("old")
    assert old is not None
    await expire(pool, old)
    new = await leases.acquire("new")
    assert new is not None
    assert (old.epoch, new.epoch) == (1, 2)
    with pytest.raises(LeaseLost):
        await leases.renew(old, RUNNING)
    with pytest.raises(LeaseLost):
        await leases.release(old, Report(SessionState.FAILED, 0, None), pause_s=0.0)
    await leases.renew(new, RUNNING)
    session = await PostgresSessionStore(pool).get(
        EnvironmentId("plaza"), new.session.session_id
    )
    assert (session.owner, session.state) == ("new", SessionState.RUNNING)


async def test_a_late_renewal_holds_if_nobody_was_faster(
    pool: Pool, postgres_dsn: str
) -> None:
    """A lease that is over is still its owner's until another takes it."""
    leases = PostgresLeaseStore(pool, postgres_dsn, 5.0)
    await new_session(pool)
    lease = await leases.acquire("slow")
    assert lease is not None
    await expire(pool, lease)
    await leases.renew(lease, RUNNING)
    assert await leases.acquire("fast") is None


async def test_a_released_session_goes_on_at_once_elsewhere(
    pipeline, valkey_url: str, environment_id: str
) -> None:
    """A drained owner leaves a session that another continues without a gap."""
    first, second = Runners(last=5, permits=3), Runners(last=5, permits=9)
    async with pipeline(first, owner="first", lease_s=60.0) as running:
        session = await create_session(running.stub, environment_id)
        await until_session(running.stub, session, lambda s: s.frame_sets == 3)
        running.drain.start()
        await running.owning
        async with pipeline(second, owner="second") as other:
            ended = await until_session(
                other.stub,
                session,
                lambda s: s.state == pipeline_pb2.SESSION_STATE_COMPLETED,
            )
    assert (ended.epoch, ended.frame_sets) == (2, 6)
    async with open_redis(valkey_url) as redis:
        events = await EventLog(redis).read(EnvironmentId(environment_id), 0)
    frame_sets = [e.tracking.frame_set for e in events if e.HasField("tracking")]
    assert frame_sets == [0, 1, 2, 3, 4, 5]
    kinds = [e.session.kind for e in events if e.HasField("session")]
    assert kinds == [
        events_pb2.SESSION_EVENT_KIND_RUNNING,
        events_pb2.SESSION_EVENT_KIND_TAKEN_OVER,
        events_pb2.SESSION_EVENT_KIND_COMPLETED,
    ]


async def test_an_owner_that_wakes_up_too_late_is_cancelled(
    pipeline, pool: Pool, valkey_url: str, environment_id: str
) -> None:
    """A newer owner goes on, and the old one's next frame set is refused."""
    old, new = Runners(last=3, permits=2), Runners(last=3, permits=9)
    async with pipeline(old, owner="old", lease_s=60.0) as sleeping:
        session = await create_session(sleeping.stub, environment_id)
        await until_session(sleeping.stub, session, lambda s: s.frame_sets == 2)
        sleeping.owning.cancel()
        (runner,) = old.opened
        await expire(pool, runner.lease)
        async with pipeline(new, owner="new") as awake:
            await until_session(
                awake.stub,
                session,
                lambda s: s.state == pipeline_pb2.SESSION_STATE_COMPLETED,
            )
        with pytest.raises(LeaseLost):
            await runner.commits.commit(runner._frame_set(2))
    async with open_redis(valkey_url) as redis:
        events = await EventLog(redis).read(EnvironmentId(environment_id), 0)
    frame_sets = [e.tracking.frame_set for e in events if e.HasField("tracking")]
    assert frame_sets == [0, 1, 2, 3]


async def test_a_running_owner_learns_that_it_lost_the_lease(
    pipeline, pool: Pool, environment_id: str
) -> None:
    """With the next renewal the runner ends, and writes no outcome."""
    runners = Runners()
    async with pipeline(runners) as running:
        session = await create_session(running.stub, environment_id)
        await until(lambda: bool(runners.opened))
        async with pool.connection() as connection:
            await connection.execute(
                "UPDATE sessions SET epoch = epoch + 1, owner = 'thief',"
                " lease_expires_at = clock_timestamp() + interval '1 hour'"
                " WHERE session_id = %s",
                (session.session_id,),
            )
        ended = runners.opened[0].ended
        await asyncio.wait_for(ended.wait(), 10.0)
        taken = await until_session(running.stub, session, lambda s: s.epoch == 2)
    assert taken.owner == "thief"
    assert taken.state == pipeline_pb2.SESSION_STATE_RUNNING


async def test_a_session_that_cannot_go_on_fails_with_its_reason(
    pipeline, environment_id: str
) -> None:
    """The error and its code are part of the session."""
    runners = Runners(permits=1)
    runners.refusal = InvalidInput("the recording is damaged", field="source")
    async with pipeline(runners) as running:
        session = await create_session(running.stub, environment_id)
        failed = await until_session(
            running.stub,
            session,
            lambda s: s.state == pipeline_pb2.SESSION_STATE_FAILED,
        )
    assert failed.error.message == "the recording is damaged"
    assert failed.error.code == 3


async def test_a_session_whose_peers_stay_away_is_tried_again(
    pipeline, environment_id: str
) -> None:
    """After a pause the session gets an owner once more and completes."""
    runners = Runners(last=0, permits=1)
    runners.refusal = Unavailable("the detector is away")
    async with pipeline(runners) as running:
        session = await create_session(running.stub, environment_id)
        await until(lambda: bool(runners.opened))
        runners.refusal = None
        ended = await until_session(
            running.stub,
            session,
            lambda s: s.state == pipeline_pb2.SESSION_STATE_COMPLETED,
        )
    assert ended.epoch == 2


async def test_a_session_goes_on_while_its_store_is_away(
    pipeline_on, postgres_server: StoreProcess[Postgres], environment_id: str
) -> None:
    """Without PostgreSQL nobody can take the session, so its owner keeps it."""
    runners = Runners(last=3)
    dsn = postgres_server.store.dsn()
    async with pipeline_on(dsn, runners, lease_s=1.0) as running:
        session = await create_session(running.stub, environment_id)
        await until(lambda: bool(runners.opened))
        (runner,) = runners.opened
        await asyncio.to_thread(postgres_server.stop)
        for _ in range(4):
            runner.permits.release()
        await asyncio.wait_for(runner.ended.wait(), 10.0)
        await asyncio.to_thread(postgres_server.start)
        ended = await until_session(
            running.stub,
            session,
            lambda s: s.state == pipeline_pb2.SESSION_STATE_COMPLETED,
        )
    assert (ended.epoch, ended.frame_sets) == (1, 4)
