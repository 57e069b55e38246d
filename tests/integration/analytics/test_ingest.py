"""From the log to the tables: ownership, gaps, and events that cannot be stored."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from redis.asyncio import Redis

from services.analytics.adapters.borders import BorderTable, ZoneDefinition
from services.analytics.adapters.history_store import PostgresHistory
from services.analytics.adapters.lease_store import PostgresLeaseStore
from services.analytics.adapters.partitions import Partitions
from services.analytics.adapters.schema import SCHEMA, VERSIONS
from services.analytics.domain.borders import Borders
from services.analytics.domain.lease import Lease, LeaseLost
from services.analytics.ingest import READER, Ingest, Manners
from services.analytics.supervisor import Supervisor
from services.common.drain import DrainSignal
from services.common.event_log import EventLog, LogKeys, Retention
from services.common.ids import EnvironmentId
from services.common.postgres import Pool, migrate, open_pool
from services.common.redis_client import open_redis
from services.common.tasks import end_tasks
from spoton.common.v1 import events_pb2
from stack.stores.postgres import Postgres
from stack.stores.process import StoreProcess
from tests.fakes.history_events import Seen, update
from tests.fakes.history_store import LEASE_S, HistoryWriter, new_lease
from tests.integration.analytics.conftest import NewWriter

MANNERS = Manners(batch_events=10, renew_every_s=0.2, gather_s=0.0)


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    """Give a client of an empty Valkey."""
    async with open_redis(valkey_url) as client:
        yield client


@pytest.fixture
def environment_id() -> EnvironmentId:
    """Give the name of an environment that no other test uses."""
    return EnvironmentId(f"plaza-{secrets.token_hex(4)}")


async def no_borders(_environment_id: EnvironmentId) -> Borders:
    """Return no zones."""
    return Borders()


def ingest(pool: Pool, redis: Redis, lease: Lease) -> Ingest:
    """Return what stores the environment of a lease."""
    history = PostgresHistory(pool, Partitions(pool), LEASE_S)
    leases = PostgresLeaseStore(pool, LEASE_S)
    return Ingest(lease, EventLog(redis), history, leases, no_borders, MANNERS)


@contextlib.asynccontextmanager
async def running(one: Ingest) -> AsyncIterator["asyncio.Task[None]"]:
    """Store while the context is open."""
    task = asyncio.create_task(one.run())
    try:
        yield task
    finally:
        await end_tasks(task)


async def append(
    redis: Redis,
    environment_id: EnvironmentId,
    events: Sequence[events_pb2.EnvironmentEvent],
    *,
    retention: Retention | None = None,
    first: int = 1,
) -> None:
    """Append events to a log."""
    log = EventLog(redis, retention)
    for number, event in enumerate(events, first):
        await log.append(
            environment_id, event, producer="test", producer_sequence=number
        )


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return once a condition holds."""
    async with asyncio.timeout(30.0):
        while not await condition():
            await asyncio.sleep(0.02)


async def value(pool: Pool, query: str, *values: object) -> object:
    """Return the one value that a query finds."""
    async with pool.connection() as connection:
        cursor = await connection.execute(query.encode(), values or None)
        row = await cursor.fetchone()
    return None if row is None else row[0]


async def until_stored(pool: Pool, lease: Lease, sequence: int) -> None:
    """Return once the log is stored up to an event."""
    query = "SELECT sequence FROM environments WHERE environment_id = %s"

    async def stored() -> bool:
        return await value(pool, query, lease.environment_id) == sequence

    await until(stored)


def walking(updates: int, first: int = 0) -> list[events_pb2.EnvironmentEvent]:
    """Return updates of one person."""
    numbers = range(first, first + updates)
    return [update(i / 10, [Seen(1, (i * 0.1, 0.0))]) for i in numbers]


async def test_the_log_learns_what_is_stored(
    pool: Pool, redis: Redis, environment_id: EnvironmentId
) -> None:
    """The durable position follows, and what comes later is stored, too."""
    lease = await new_lease(pool, environment_id)
    await append(redis, environment_id, walking(25))
    async with running(ingest(pool, redis, lease)):
        await until_stored(pool, lease, 25)
        await append(redis, environment_id, walking(5, 25), first=26)
        await until_stored(pool, lease, 30)

        async def published() -> bool:
            name = LogKeys(environment_id).readers
            return await redis.hget(name, READER) == b"30"

        await until(published)


async def test_an_old_owner_stores_nothing(new_writer: NewWriter, pool: Pool) -> None:
    """A transaction with an old epoch leaves no row and loses the lease."""
    old = await new_writer()
    await old.write(walking(10))
    where = old.lease.environment_id
    async with pool.connection() as connection:
        await connection.execute(
            "UPDATE environments SET lease_expires_at = 'epoch'"
            " WHERE environment_id = %s",
            (where,),
        )
    new = HistoryWriter(pool, await new_lease(pool, where), Borders())
    assert new.lease.epoch == old.lease.epoch + 1
    place, memory, views = await new.history.load(new.lease)
    assert place.sequence == 10
    with pytest.raises(LeaseLost):
        await old.history.load(old.lease)
    stale = HistoryWriter(pool, old.lease, Borders())
    stale.history.load = lambda _lease: _result((place, memory, views))
    with pytest.raises(LeaseLost):
        await stale.write(walking(10, 10))
    count = (
        "SELECT count(*) FROM positions JOIN stays USING (stay_id)"
        " WHERE environment_id = %s"
    )
    assert await value(pool, count, where) == 10
    await new.write(walking(10, 10))
    assert await value(pool, count, where) == 20


async def _result(loaded):
    return loaded


async def test_a_batch_that_was_stored_is_refused_again(
    new_writer: NewWriter, pool: Pool
) -> None:
    """An owner that repeats itself, not knowing that it was heard, changes nothing."""
    writer = await new_writer()
    loaded = await writer.history.load(writer.lease)
    await writer.write(walking(10))
    writer.history.load = lambda _lease: _result(loaded)
    with pytest.raises(LeaseLost):
        await writer.write(walking(10))
    samples = "SELECT sum(samples)::int FROM stays WHERE environment_id = %s"
    assert await value(pool, samples, writer.lease.environment_id) == 10


async def test_what_the_log_lost_is_a_gap(
    pool: Pool, redis: Redis, environment_id: EnvironmentId
) -> None:
    """Events removed at the ceiling are recorded with their numbers and times."""
    lease = await new_lease(pool, environment_id)
    await append(redis, environment_id, walking(10))
    async with running(ingest(pool, redis, lease)):
        await until_stored(pool, lease, 10)
    small = Retention(ceiling_bytes=2000)
    await append(redis, environment_id, walking(40, 10), first=11, retention=small)
    last = (await EventLog(redis).bounds(environment_id)).last
    async with running(ingest(pool, redis, lease)):
        await until_stored(pool, lease, last)
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT first_sequence, last_sequence, cause, start_time IS NULL,"
            " end_time > start_time FROM history_gaps WHERE environment_id = %s",
            (environment_id,),
        )
        ((first, lost, cause, is_open, ordered),) = await cursor.fetchall()
    assert (first, cause, is_open, ordered) == (11, "removed", False, True)
    updates = "SELECT sum(updates)::int FROM passes WHERE environment_id = %s"
    gaps = (
        "SELECT count(*)::int FROM session_events"
        " WHERE kind = 'history_gap' AND environment_id = %s"
    )
    told = await value(pool, gaps, environment_id)
    assert await value(pool, updates, environment_id) == last - (lost - 10) - told


async def test_a_log_that_began_anew_is_a_gap(
    pool: Pool, redis: Redis, environment_id: EnvironmentId
) -> None:
    """After Redis lost everything, events are stored from the first."""
    lease = await new_lease(pool, environment_id)
    await append(redis, environment_id, walking(10))
    async with running(ingest(pool, redis, lease)):
        await until_stored(pool, lease, 10)
    await redis.flushall()
    await append(redis, environment_id, walking(4, 10))
    async with running(ingest(pool, redis, lease)):
        await until_stored(pool, lease, 4)
    cause = "SELECT cause FROM history_gaps WHERE environment_id = %s"
    assert await value(pool, cause, environment_id) == "log_replaced"
    samples = "SELECT sum(samples)::int FROM stays WHERE environment_id = %s"
    assert await value(pool, samples, environment_id) == 14


@pytest.mark.parametrize("damage", ["bytes", "value"])
async def test_an_event_that_cannot_be_stored_costs_itself(
    pool: Pool, redis: Redis, environment_id: EnvironmentId, damage: str
) -> None:
    """It is recorded as refused, and everything around it is stored."""
    lease = await new_lease(pool, environment_id)
    await append(redis, environment_id, walking(7))
    keys = LogKeys(environment_id)
    bad = b"\x22\xff\xff"
    if damage == "value":
        event = update(0.7, [Seen(1)])
        event.tracking.timeline_id = "no\0text"
        bad = event.SerializeToString()
    sequence = await redis.hincrby(keys.log, "sequence", 1)
    await redis.xadd(keys.events, {"at": "0", "event": bad}, id=f"{sequence}-0")
    await append(redis, environment_id, walking(7, 8), first=8)
    async with running(ingest(pool, redis, lease)):
        await until_stored(pool, lease, 15)
    gaps = "SELECT cause || first_sequence FROM history_gaps WHERE environment_id = %s"
    assert await value(pool, gaps, environment_id) == "refused8"
    samples = "SELECT sum(samples)::int FROM stays WHERE environment_id = %s"
    assert await value(pool, samples, environment_id) == 14


async def test_an_empty_update_is_history_too(
    pool: Pool, redis: Redis, environment_id: EnvironmentId
) -> None:
    """A frame set without anybody moves the timeline on."""
    lease = await new_lease(pool, environment_id)
    await append(redis, environment_id, [update(0.1, []), update(0.2, [])])
    async with running(ingest(pool, redis, lease)):
        await until_stored(pool, lease, 2)
    updates = "SELECT updates FROM passes WHERE environment_id = %s"
    assert await value(pool, updates, environment_id) == 2


async def test_a_database_that_goes_away_costs_nothing(
    postgres_server: StoreProcess[Postgres],
    redis: Redis,
    environment_id: EnvironmentId,
) -> None:
    """Events wait in the log, and each is stored once when it is back."""
    dsn = postgres_server.store.dsn()
    await migrate(dsn, SCHEMA, VERSIONS)
    async with open_pool(dsn, SCHEMA) as pool:
        lease = await new_lease(pool, environment_id)
        await append(redis, environment_id, walking(20))
        async with running(ingest(pool, redis, lease)):
            await until_stored(pool, lease, 20)
            postgres_server.kill()
            await append(redis, environment_id, walking(20, 20), first=21)
            postgres_server.start()
            await until_stored(pool, lease, 40)
        count = "SELECT count(*) FROM positions"
        assert await value(pool, count) == 40


async def test_replicas_divide_environments(
    pool: Pool, redis: Redis, environment_id: EnvironmentId
) -> None:
    """Four environments are two each; when one replica leaves, the other has all."""
    names = [EnvironmentId(f"{environment_id}-{i}") for i in range(4)]
    async with pool.connection() as connection:
        await connection.execute("DELETE FROM environments")
        await connection.execute("DELETE FROM workers")
    leases = PostgresLeaseStore(pool, 2.0)

    async def known() -> list[EnvironmentId]:
        return names

    def replica(owner: str) -> Supervisor:
        return Supervisor(
            leases,
            lambda lease: ingest(pool, redis, lease),
            known,
            owner=owner,
            max_environments=8,
            look_every_s=0.1,
        )

    async def owned(*expected: tuple[str, int]) -> bool:
        async with pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT owner, count(*) FROM environments"
                " WHERE owner <> '' GROUP BY owner ORDER BY owner"
            )
            return await cursor.fetchall() == list(expected)

    drains = DrainSignal(), DrainSignal()
    first = asyncio.create_task(replica("first").run(drains[0]))
    await until(lambda: owned(("first", 4)))
    second = asyncio.create_task(replica("second").run(drains[1]))
    await until(lambda: owned(("first", 2), ("second", 2)))
    drains[0].start()
    await first
    await until(lambda: owned(("second", 4)))
    drains[1].start()
    await second
    assert await owned()
    async with pool.connection() as connection:
        await connection.execute("DELETE FROM environments")


async def test_an_edited_zone_is_a_new_version(
    new_writer: NewWriter, pool: Pool
) -> None:
    """A visit keeps the borders that it was found with."""
    writer = await new_writer()
    where, table = writer.lease.environment_id, BorderTable(pool)
    west = ZoneDefinition("hall", "", "ground", ((0, -1), (1, -1), (1, 1), (0, 1)))
    all_of_it = ZoneDefinition("hall", "", "ground", ((0, -1), (9, -1), (9, 1), (0, 1)))
    writer.borders = await table.replace(where, [west], [])
    await writer.write(walking(5))
    again = await table.replace(where, [west], [])
    assert again == writer.borders
    writer.borders = await table.replace(where, [all_of_it], [])
    await writer.write(walking(20, 5))
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT zones.valid_to IS NULL, visits.came, visits.samples"
            " FROM visits JOIN zones USING (zone_key) WHERE zones.environment_id = %s"
            " ORDER BY zone_key",
            (where,),
        )
        assert await cursor.fetchall() == [
            (False, "appeared", 5),
            (True, "appeared", 20),
        ]
