"""Stores that go away, and a server that wants to stop."""

import asyncio
from typing import Any

from services.common.drain import DrainSignal
from services.common.errors import Unavailable
from services.common.event_log import EventLog
from services.common.ids import EnvironmentId
from services.common.redis_client import open_redis
from services.reid.bootstrap import prepare
from spoton.reid.v1 import reid_pb2
from stack.stores.process import StoreProcess
from tests.fakes.pictures import jpeg
from tests.integration.refusals import failure
from tests.integration.reid.conftest import service_config, serving
from tests.integration.reid.conversations import (
    Conversation,
    Seen,
    Timeline,
    events_of,
    persons_of,
)

HERE = (Seen("east", 1, person=1, x_m=1.0),)


async def test_a_database_that_goes_away_loses_and_repeats_nothing(
    postgres_server: StoreProcess[Any], valkey_url: str, s3: object
) -> None:
    """A tick waits until PostgreSQL is back, and is applied once."""
    config = service_config(postgres_server.store.dsn(), valkey_url, s3)
    await prepare(config)
    async with serving(config, DrainSignal()) as reid:
        timeline = Timeline()
        talk = Conversation(reid, timeline, ignore_appearance=True)
        await talk.open()
        before = await talk.play(1, 10, HERE)
        await asyncio.to_thread(postgres_server.kill)
        await talk.send(timeline.tick(11, HERE))
        await asyncio.sleep(0)
        await asyncio.to_thread(postgres_server.start)
        answer = await talk.finish(11, HERE)
        assert persons_of(answer) == persons_of(before[-1])
        after = await talk.play(12, 20, HERE)
        assert persons_of(after[-1]) == persons_of(before[-1])
        await talk.close()


async def test_a_service_waits_for_its_database(
    postgres_server: StoreProcess[Any], valkey_url: str, s3: object
) -> None:
    """Started without PostgreSQL it is UNAVAILABLE, and goes on once that is up."""
    await asyncio.to_thread(postgres_server.stop)
    config = service_config(
        postgres_server.store.dsn(), valkey_url, s3, STORE_PATIENCE_S="0.1"
    )
    async with serving(config, DrainSignal()) as reid:
        preparing = asyncio.create_task(prepare(config))
        listing = reid_pb2.ListIdentitiesRequest(environment_id="plaza")
        assert isinstance(await failure(reid.ListIdentities(listing)), Unavailable)
        assert not preparing.done()
        await asyncio.to_thread(postgres_server.start)
        async with asyncio.timeout(30):
            await preparing
        talk = Conversation(reid, Timeline(), ignore_appearance=True)
        await talk.open()
        assert (await talk.play(1, 1, HERE))[0].WhichOneof("outcome") == "result"
        await talk.close()


async def test_association_goes_on_while_valkey_is_away(
    postgres_dsn: str, valkey_server: StoreProcess[Any], s3: object
) -> None:
    """Events wait in the database, and reach the log once it is back."""
    config = service_config(postgres_dsn, valkey_server.store.url, s3)
    await prepare(config)
    await asyncio.to_thread(valkey_server.stop)
    async with serving(config, DrainSignal()) as reid:
        timeline = Timeline()
        talk = Conversation(reid, timeline, ignore_appearance=True)
        await talk.open()
        expected = events_of(await talk.play(1, 10, HERE))
        await talk.close()
        assert expected
        await asyncio.to_thread(valkey_server.start)
        async with open_redis(valkey_server.store.url) as redis:
            log, environment = EventLog(redis), EnvironmentId(timeline.environment_id)
            async with asyncio.timeout(30):
                while (await log.bounds(environment)).last < len(expected):
                    await asyncio.sleep(0.05)
            logged = await log.read(environment, after=0, limit=100)
    assert [one.identity for one in logged] == expected


async def test_an_s3_that_is_away_does_not_stop_association(
    postgres_dsn: str, valkey_url: str, s3: object
) -> None:
    """A picture that cannot be stored is asked for again."""
    config = service_config(
        postgres_dsn, valkey_url, s3, S3_ENDPOINT="http://127.0.0.1:9"
    )
    await prepare(config)
    async with serving(config, DrainSignal()) as reid:
        timeline = Timeline()
        talk = Conversation(reid, timeline)
        await talk.open()
        answers = await talk.play(1, 30, HERE)
        (wanted,) = [one for a in answers for one in a.result.crops_wanted][-1:]
        crop = reid_pb2.PersonCrop(
            global_id=wanted.global_id,
            camera_id="east",
            track_id=1,
            quality=wanted.quality,
            jpeg=jpeg(),
        )
        asked_again = False
        number = 31
        async with asyncio.timeout(60):
            await talk.ask(timeline.tick(number, HERE, crops=[crop]), HERE)
            while not asked_again:
                number += 30
                answer = await talk.ask(timeline.tick(number, HERE), HERE)
                asked_again = bool(answer.result.crops_wanted)
                await asyncio.sleep(0.05)
        await talk.close()


async def test_a_stopping_server_asks_streams_to_leave(
    postgres_dsn: str, valkey_url: str, s3: object
) -> None:
    """A stream is asked to reopen, still answers, and another goes on."""
    config = service_config(postgres_dsn, valkey_url, s3)
    await prepare(config)
    drain = DrainSignal(grace_s=5.0)
    async with serving(config, drain) as reid:
        timeline = Timeline()
        talk = Conversation(reid, timeline, ignore_appearance=True)
        await talk.open()
        before = await talk.play(1, 3, HERE)
        drain.start()
        assert (await talk.read()).WhichOneof("outcome") == "drain"
        await talk.play(4, 5, HERE)
        await talk.close()
    async with serving(config, DrainSignal()) as reid:
        talk = Conversation(reid, timeline, ignore_appearance=True)
        await talk.open()
        after = await talk.play(6, 8, HERE)
        assert persons_of(after[-1]) == persons_of(before[-1])
        await talk.close()
