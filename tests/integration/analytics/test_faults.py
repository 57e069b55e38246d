"""Nothing is lost or stored twice, whoever dies, sleeps or wakes up late."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.common.event_log import APPEND_FUNCTIONS, LogKeys, Retention
from services.common.ids import EnvironmentId
from services.common.postgres import Pool
from services.common.redis_client import open_redis
from spoton.mapper.v1 import environment_pb2
from tests.fakes.history_events import Seen, update
from tests.fakes.mapper import FakeMapper, running_mapper
from tests.integration.analytics.processes import Process

UPDATES = int(os.environ.get("SPOTON_FAULT_TEST_UPDATES", "60000"))
"""How many updates flow; the faults take most of the time, whatever it is."""
KILLS = 20
STOPS = 3
CHUNK = 500
PERSONS = (11, 22)
ENVIRONMENT = EnvironmentId("plaza")
LEASE_S = 1.0
_APPEND = (
    APPEND_FUNCTIONS
    + """
local keep = {ms = tonumber(ARGV[1]), bytes = tonumber(ARGV[2])}
for i = 3, #ARGV do
  append_event(KEYS[1], KEYS[2], KEYS[3], keep, ARGV[i])
end
"""
)


def encoded_update(number: int) -> bytes:
    """Return an update of two people: one walks to and fro through a zone of 4 m."""
    walked_m = number % 200 * 0.1
    x_m = min(walked_m, 20.0 - walked_m)
    persons = [Seen(11, (x_m, 1.0)), Seen(22, (30.0, 1.0))]
    return update(number * 0.1, persons, frame_set=number + 1).SerializeToString()


async def publish(redis: Redis, until_done: asyncio.Event) -> None:
    """Append all updates, in chunks, so that they last as long as the faults do."""
    keys = LogKeys(ENVIRONMENT)
    append = redis.register_script(_APPEND)
    for first in range(0, UPDATES, CHUNK):
        chunk = [encoded_update(i) for i in range(first, min(first + CHUNK, UPDATES))]
        await append(
            keys=keys.append_keys, args=[*Retention().script_arguments, *chunk]
        )
        if first < UPDATES - 20 * CHUNK and not until_done.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(until_done.wait(), 40.0 * CHUNK / UPDATES)


async def owner_of(pool: Pool) -> str:
    """Return who owns the environment, by the database."""
    async with pool.connection() as connection:
        cursor = await connection.execute("SELECT owner FROM environments")
        row = await cursor.fetchone()
    return row[0] if row else ""


async def stored(pool: Pool) -> int:
    """Return up to where the log is stored."""
    async with pool.connection() as connection:
        cursor = await connection.execute("SELECT sequence FROM environments")
        row = await cursor.fetchone()
    return row[0] if row else 0


async def until(
    condition: Callable[[], Awaitable[bool]], timeout_s: float = 60.0
) -> None:
    """Return once a condition holds."""
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.05)


@pytest.fixture
async def mapper_address() -> AsyncIterator[str]:
    """Give the address of a mapper with a zone from 3 to 7 m."""
    corners = [(3.0, 0.0), (7.0, 0.0), (7.0, 2.0), (3.0, 2.0)]
    zone = environment_pb2.Zone(zone_id="gate", floor_id="ground")
    for x_m, y_m in corners:
        zone.corners.add(x_m=x_m, y_m=y_m)
    async with running_mapper(FakeMapper({ENVIRONMENT: [zone]})) as address:
        yield address


@pytest.mark.timeout(300)
async def test_every_update_is_stored_once(
    pool: Pool, postgres_dsn: str, valkey_url: str, mapper_address: str, tmp_path: Path
) -> None:
    """Two replicas are killed 20 times and owners stopped 3 times, resumed too late."""
    chance = random.Random(20)
    workers = [
        Process(
            {
                "OWNER": name,
                "POSTGRES_DSN": postgres_dsn,
                "REDIS_URL": valkey_url,
                "MAPPER_ADDRESS": mapper_address,
                "LEASE_S": str(LEASE_S),
                "BATCH_EVENTS": "200",
            },
            tmp_path / "workers.log",
        )
        for name in ("first", "second")
    ]
    faults_done = asyncio.Event()
    async with open_redis(valkey_url) as redis, contextlib.AsyncExitStack() as ending:
        for worker in workers:
            worker.start()
            ending.callback(worker.kill)
        publishing = asyncio.create_task(publish(redis, faults_done))
        for fault in range(KILLS + STOPS):
            before = await stored(pool)
            await until(lambda before=before: _beyond(pool, before))
            await asyncio.sleep(chance.uniform(0.0, 0.5))
            owner = await owner_of(pool)
            victim = next((one for one in workers if one.owner == owner), workers[0])
            if fault % 8 == 7:
                await _stop_until_replaced(pool, victim)
            else:
                if chance.random() < 0.2:
                    victim = chance.choice(workers)
                victim.kill()
                victim.start()
        faults_done.set()
        await publishing
        await until(lambda: _beyond(pool, UPDATES - 1), 120.0)
        read_on = await redis.hget(LogKeys(ENVIRONMENT).readers, "analytics")
    await _assert_complete(pool)
    assert int(read_on or 0) <= UPDATES


async def _beyond(pool: Pool, sequence: int) -> bool:
    return await stored(pool) > sequence or await stored(pool) >= UPDATES


async def _stop_until_replaced(pool: Pool, victim: Process) -> None:
    """Let an owner sleep until another has gone on, then wake it."""
    victim.send(signal.SIGSTOP)
    try:

        async def replaced() -> bool:
            return await owner_of(pool) not in ("", victim.owner)

        await until(replaced)
        before = await stored(pool)
        await until(lambda: _beyond(pool, before))
    finally:
        victim.send(signal.SIGCONT)


async def _assert_complete(pool: Pool) -> None:
    async def one(query: str, *values: object) -> tuple[object, ...]:
        async with pool.connection() as connection:
            cursor = await connection.execute(query.encode(), values or None)
            row = await cursor.fetchone()
        assert row is not None
        return row

    assert await one("SELECT sequence FROM environments") == (UPDATES,)
    for person in PERSONS:
        # As many rows as frame sets, all different, first to last: each once.
        assert await one(
            "SELECT count(*), count(DISTINCT frame_set), min(frame_set), max(frame_set)"
            " FROM positions JOIN stays USING (stay_id) WHERE published_id = %s",
            person,
        ) == (UPDATES, UPDATES, 1, UPDATES)
    assert await one("SELECT count(*), sum(samples) FROM stays") == (2, 2 * UPDATES)
    assert await one("SELECT sum(updates) FROM timeline_minutes") == (UPDATES,)
    assert await one("SELECT sum(frames) FROM camera_minutes") == (UPDATES,)
    assert await one("SELECT updates FROM sessions") == (UPDATES,)
    lasting_us = 2 * (UPDATES - 1) * 100_000
    assert await one("SELECT sum(present_us) FROM cell_hours") == (lasting_us,)
    assert await one("SELECT count(*) FROM history_gaps") == (0,)
    # To and fro, from 3.0 to 6.9 m, in every 200 updates: twice 40 samples.
    inside = [i for i in range(UPDATES) if 3.0 <= _x_m(i) < 7.0]
    assert await one("SELECT sum(samples) FROM visits") == (len(inside),)


def _x_m(number: int) -> float:
    walked_m = number % 200 * 0.1
    return min(walked_m, 20.0 - walked_m)
