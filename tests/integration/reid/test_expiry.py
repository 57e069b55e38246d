"""Retention on real stores: what is forgotten, what stays, and who may do it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.common.errors import NotFound, Unavailable
from services.common.ids import EnvironmentId
from services.common.postgres import Pool, open_pool
from services.reid.adapters.expiry_table import _LOCK, PostgresExpiryTable
from services.reid.adapters.s3 import S3Pictures
from services.reid.bootstrap import SCHEMA
from services.reid.config import ReidConfig
from services.reid.service.expiry import Expiry
from spoton.reid.v1 import reid_pb2
from tests.fakes.pictures import jpeg
from tests.integration.refusals import failure
from tests.integration.reid.conftest import Stub, service_config
from tests.integration.reid.conversations import (
    START_NS,
    Conversation,
    Seen,
    Timeline,
    embedding,
    looks,
    persons_of,
)

HERE = (Seen("east", 1, person=1),)
BACK = (Seen("east", 2, person=1),)
RETENTION_S = 7 * 86_400.0
YEAR_2126_NS = START_NS + 100 * 31_536_000_000_000_000


@pytest.fixture
def config(postgres_dsn: str, valkey_url: str, s3: object) -> ReidConfig:
    """Give a test the configuration of its service."""
    return service_config(postgres_dsn, valkey_url, s3)


@pytest.fixture
async def pool(postgres_dsn: str, reid: Stub) -> AsyncIterator[Pool]:
    """Give a test connections, once there are tables."""
    async with open_pool(postgres_dsn, SCHEMA) as opened:
        yield opened


class Clock:
    """A clock that says what it is told."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        """Return the time."""
        return self.now_ns


async def stored(reid: Stub, timeline: Timeline) -> int:
    """Return a person who is stored with a picture."""
    talk = Conversation(reid, timeline)
    await talk.open()
    answers = await talk.play(1, 30, HERE)
    person = persons_of(answers[-1])["east", 1]
    crop = reid_pb2.PersonCrop(
        global_id=person, camera_id="east", track_id=1, quality=0.5, jpeg=jpeg()
    )
    crop.capture_time.FromNanoseconds(START_NS)
    await talk.ask(timeline.tick(31, HERE, crops=[crop]), HERE)
    await talk.close()
    async with asyncio.timeout(20):
        while not (await get(reid, timeline, person)).has_crop:
            await asyncio.sleep(0.02)
    return person


async def get(reid: Stub, timeline: Timeline, person: int) -> reid_pb2.Identity:
    """Return a person."""
    request = reid_pb2.GetIdentityRequest(
        environment_id=timeline.environment_id, global_id=person
    )
    return (await reid.GetIdentity(request)).identity


async def found(reid: Stub, timeline: Timeline) -> list[int]:
    """Return who is found by the looks of person 1."""
    request = reid_pb2.SearchIdentitiesRequest(
        environment_id=timeline.environment_id, embedding=embedding(looks(1))
    )
    answer = await reid.SearchIdentities(request)
    return [one.identity.global_id for one in answer.matches]


async def enforce(expiry: Expiry) -> None:
    """Enforce a retention until nothing is left to do."""
    while await expiry.enforce():
        pass


async def test_who_was_not_seen_for_long_is_forgotten(
    reid: Stub, pool: Pool, config: ReidConfig
) -> None:
    """Looks, places and pictures go; the id and its label stay, and are not reused."""
    timeline, clock = Timeline(), Clock(START_NS)
    person = await stored(reid, timeline)
    pictures = S3Pictures(config.s3)
    expiry = Expiry(PostgresExpiryTable(pool), pictures, RETENTION_S, now_ns=clock)
    await enforce(expiry)
    assert await found(reid, timeline) == [person]

    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT crop_key FROM identities WHERE global_id = %s", (person,)
        )
        ((name,),) = await cursor.fetchall()
    clock.now_ns = YEAR_2126_NS
    await enforce(expiry)
    assert await found(reid, timeline) == []
    left = await get(reid, timeline, person)
    assert left.HasField("expired_time")
    assert not left.has_crop
    assert not left.HasField("last_position")
    assert (left.prototype_count, len(left.cameras)) == (0, 0)
    with pytest.raises(NotFound):
        await pictures.get(name)
    listing = reid_pb2.ListIdentitiesRequest(environment_id=timeline.environment_id)
    assert not (await reid.ListIdentities(listing)).identities
    listing.include_expired = True
    listed = (await reid.ListIdentities(listing)).identities
    assert [one.global_id for one in listed] == [person]

    timeline.epoch += 1
    timeline.session_id += "-next"
    talk = Conversation(reid, timeline)
    await talk.open()
    answers = await talk.play(5_000, 5_040, BACK)
    await talk.close()
    new = persons_of(answers[-1])["east", 2]
    assert new != person
    assert (await get(reid, timeline, new)).label == 2


async def test_merges_lead_on_after_the_retention(
    reid: Stub, pool: Pool, config: ReidConfig
) -> None:
    """An expired identity still says which one it went on as."""
    timeline = Timeline()
    talk = Conversation(reid, timeline)
    await talk.open()
    before = persons_of((await talk.play(1, 30, HERE))[-1])["east", 1]
    await talk.ask(timeline.tick(4_000, ()), ())
    answers = await talk.play(4_001, 4_060, BACK)
    await talk.close()
    away = persons_of(answers[0])["east", 2]
    assert persons_of(answers[-1])["east", 2] == before != away
    expiry = Expiry(
        PostgresExpiryTable(pool),
        S3Pictures(config.s3),
        RETENTION_S,
        now_ns=Clock(YEAR_2126_NS),
    )
    await enforce(expiry)
    gone = await get(reid, timeline, away)
    assert gone.HasField("expired_time")
    assert gone.merged_into == before
    search = reid_pb2.SearchIdentitiesRequest(
        environment_id=timeline.environment_id, global_id=away
    )
    assert "no vector" in str(await failure(reid.SearchIdentities(search)))


async def test_a_recording_of_long_ago_counts_from_its_analysis(
    reid: Stub, pool: Pool, config: ReidConfig
) -> None:
    """Cameras that say it is the past do not make new identities old."""
    timeline = Timeline()
    person = await stored(reid, timeline)
    async with pool.connection() as connection:
        await connection.execute(
            "UPDATE identities SET last_seen_ns = 1 WHERE global_id = %s", (person,)
        )
    expiry = Expiry(PostgresExpiryTable(pool), S3Pictures(config.s3), RETENTION_S)
    await enforce(expiry)
    assert not (await get(reid, timeline, person)).HasField("expired_time")


async def test_one_replica_at_a_time_expires(
    reid: Stub, pool: Pool, config: ReidConfig
) -> None:
    """While another does it there is nothing to do."""
    timeline = Timeline()
    person = await stored(reid, timeline)
    table = PostgresExpiryTable(pool)
    async with pool.connection() as other:
        await other.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        assert await table.expire(YEAR_2126_NS, 500) == (0, 0)
    assert not (await get(reid, timeline, person)).HasField("expired_time")


class LostPictures:
    """A picture store that is away."""

    async def delete(self, key: str) -> None:
        """Fail."""
        raise Unavailable("the picture store is away")


async def test_pictures_are_removed_once_their_store_is_back(
    reid: Stub, pool: Pool, config: ReidConfig
) -> None:
    """The person expires at once, the name of the picture stays until it is gone."""
    timeline = Timeline()
    person = await stored(reid, timeline)
    table, clock = PostgresExpiryTable(pool), Clock(YEAR_2126_NS)
    await enforce(Expiry(table, LostPictures(), RETENTION_S, now_ns=clock))
    assert (await get(reid, timeline, person)).HasField("expired_time")
    own = f"{EnvironmentId(timeline.environment_id)}/{person}/"
    assert any(name.startswith(own) for name in await table.stale_pictures(1_000))
    request = reid_pb2.GetIdentityCropRequest(
        environment_id=timeline.environment_id, global_id=person
    )
    assert isinstance(await failure(reid.GetIdentityCrop(request)), NotFound)
    await enforce(Expiry(table, S3Pictures(config.s3), RETENTION_S, now_ns=clock))
    assert not any(name.startswith(own) for name in await table.stale_pictures(1_000))
