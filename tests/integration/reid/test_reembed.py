"""Vectors of another model from stored pictures, on real stores."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from grpc import aio

from services.common.convert import ns_to_timestamp
from services.common.drain import DrainSignal
from services.common.errors import Unavailable
from services.common.grpc_errors import error_from_rpc
from services.common.ids import ModelId
from services.common.postgres import open_pool
from services.reid import reembed
from services.reid.adapters.s3 import S3Pictures, S3Settings
from services.reid.bootstrap import SCHEMA, prepare
from spoton.common.v1 import frame_pb2
from spoton.reid.v1 import reid_pb2
from tests.fakes import colour_model
from tests.fakes.pictures import encoded
from tests.integration.reid.conftest import Stub, service_config, serving
from tests.integration.reid.conversations import (
    COLOUR,
    START_NS,
    Conversation,
    Seen,
    Timeline,
    persons_of,
)

THREE = tuple(
    Seen("east", number, person=number, x_m=4.0 * number) for number in (1, 2, 3)
)
COLOURS = {1: (200, 40, 40), 2: (40, 200, 40), 3: (40, 40, 200)}


def picture(person: int) -> bytes:
    """Return a picture of a person, of one colour each."""
    rgb = np.full((60, 30, 3), COLOURS[person], np.uint8)
    return encoded(rgb[..., ::-1], ".jpg")


async def watched(stub: Stub, timeline: Timeline, pictured: set[int]) -> dict[int, int]:
    """Return the ids of three persons, some of whom have a stored picture."""
    talk = Conversation(stub, timeline)
    await talk.open()
    ids = persons_of((await talk.play(1, 30, THREE))[-1])
    crops = [
        reid_pb2.PersonCrop(
            global_id=ids["east", number],
            camera_id="east",
            track_id=number,
            capture_time=ns_to_timestamp(START_NS),
            quality=0.6,
            jpeg=picture(number),
        )
        for number in pictured
    ]
    await talk.ask(timeline.tick(31, THREE, crops=crops), THREE)
    await talk.close()
    persons = {number: ids["east", number] for number in (1, 2, 3)}
    async with asyncio.timeout(20):
        wanted = {persons[number] for number in pictured}
        while not wanted <= set(await stored_pictures(stub, timeline)):
            await asyncio.sleep(0.05)
    return persons


async def stored_pictures(stub: Stub, timeline: Timeline) -> list[int]:
    """Return whose pictures are stored."""
    request = reid_pb2.ListIdentitiesRequest(environment_id=timeline.environment_id)
    listed = (await stub.ListIdentities(request)).identities
    return [one.global_id for one in listed if one.has_crop]


async def reembedded(stub: Stub, timeline: Timeline, **fields: str) -> list[tuple]:
    """Return each message of a call as done, skipped, failed, total."""
    request = reid_pb2.ReembedIdentitiesRequest(
        environment_id=timeline.environment_id, model_id=COLOUR.model_id, **fields
    )
    return [
        (one.done, one.skipped, one.failed, one.total)
        async for one in stub.ReembedIdentities(request)
    ]


async def looking_like(stub: Stub, timeline: Timeline, person: int) -> list[int]:
    """Return whose picture resembles that of a person, to the second model."""
    answer = await stub.SearchIdentities(
        reid_pb2.SearchIdentitiesRequest(
            environment_id=timeline.environment_id,
            image=frame_pb2.Image(encoded=picture(person)),
            model_id=COLOUR.model_id,
            min_similarity=0.95,
        )
    )
    return [match.identity.global_id for match in answer.matches]


async def test_persons_are_found_by_a_model_that_never_saw_them(
    both: Stub, postgres_dsn: str
) -> None:
    """Each stored picture gives a vector; who has no picture is counted."""
    timeline = Timeline()
    persons = await watched(both, timeline, {1, 2})
    assert await looking_like(both, timeline, 1) == []
    progress = await reembedded(both, timeline)
    assert progress[0] == (0, 0, 0, 3)
    assert progress[-1] == (2, 0, 1, 3)
    for number in (1, 2):
        assert await looking_like(both, timeline, number) == [persons[number]]
    assert await looking_like(both, timeline, 3) == []
    async with (
        open_pool(postgres_dsn, SCHEMA) as pool,
        pool.connection() as connection,
    ):
        cursor = await connection.execute(
            "SELECT crop_key, camera_id, captured_ns, track_id FROM prototypes "
            "WHERE global_id = %s AND model_id = %s",
            (persons[1], COLOUR.model_id),
        )
        ((key, camera_id, captured_ns, track_id),) = await cursor.fetchall()
    assert key.startswith(f"{timeline.environment_id}/{persons[1]}/")
    assert (camera_id, captured_ns, track_id) == ("east", START_NS, None)


async def test_a_repeated_call_goes_on_where_it_was(both: Stub) -> None:
    """Who has a vector is skipped; a picture that came since is used."""
    timeline = Timeline()
    await watched(both, timeline, {1})
    assert (await reembedded(both, timeline))[-1] == (1, 0, 2, 3)
    talk = Conversation(both, timeline)
    await talk.open()
    ids = persons_of((await talk.play(32, 40, THREE))[-1])
    crop = reid_pb2.PersonCrop(
        global_id=ids["east", 2],
        camera_id="east",
        track_id=2,
        quality=0.7,
        jpeg=picture(2),
    )
    await talk.ask(timeline.tick(41, THREE, crops=[crop]), THREE)
    await talk.close()
    async with asyncio.timeout(20):
        while len(await stored_pictures(both, timeline)) < 2:
            await asyncio.sleep(0.05)
    assert (await reembedded(both, timeline))[-1] == (1, 1, 1, 3)
    assert (await reembedded(both, timeline))[-1] == (0, 2, 1, 3)


async def test_two_calls_at_once_store_one_vector_each(
    both: Stub, postgres_dsn: str
) -> None:
    """Whoever comes second skips what the first has stored."""
    timeline = Timeline()
    await watched(both, timeline, {1, 2, 3})
    calls = [reembedded(both, timeline) for _ in range(3)]
    last = [progress[-1] for progress in await asyncio.gather(*calls)]
    assert sum(done for done, *_ in last) == 3
    assert all(done + skipped == 3 for done, skipped, *_ in last)
    async with (
        open_pool(postgres_dsn, SCHEMA) as pool,
        pool.connection() as connection,
    ):
        cursor = await connection.execute(
            "SELECT count(*) FROM prototypes WHERE environment_id = %s "
            "AND model_id = %s",
            (timeline.environment_id, COLOUR.model_id),
        )
        assert await cursor.fetchone() == (3,)


async def test_a_timeline_can_be_chosen(both: Stub) -> None:
    """Persons of other timelines are left alone."""
    first = Timeline()
    second = Timeline(environment_id=first.environment_id)
    await watched(both, first, {1})
    await watched(both, second, {1, 2})
    progress = await reembedded(both, first, timeline_id=second.timeline_id)
    assert progress[-1] == (2, 0, 1, 3)
    assert (await reembedded(both, first))[-1] == (1, 2, 3, 6)


async def test_pictures_that_cannot_be_used_are_counted(both: Stub, s3: object) -> None:
    """A file that is gone, or is no picture any more, ends nothing."""
    timeline = Timeline()
    persons = await watched(both, timeline, {1, 2, 3})
    pictures = S3Pictures(
        S3Settings(s3.endpoint, s3.bucket, s3.access_key, s3.secret_key)
    )
    keys = pictures._client.list_objects_v2(
        Bucket=s3.bucket, Prefix=f"{timeline.environment_id}/"
    )["Contents"]
    by_person = {int(one["Key"].split("/")[1]): one["Key"] for one in keys}
    await pictures.delete(by_person[persons[1]])
    await pictures.put(by_person[persons[2]], b"no picture any more")
    assert (await reembedded(both, timeline))[-1] == (1, 0, 2, 3)
    assert await looking_like(both, timeline, 3) == [persons[3]]


async def test_an_environment_without_persons_is_done_at_once(both: Stub) -> None:
    """There is one message: nothing of nothing."""
    assert await reembedded(both, Timeline()) == [(0, 0, 0, 0)]


async def test_an_s3_that_is_away_ends_the_call_in_time(
    both: Stub,
    postgres_dsn: str,
    valkey_url: str,
    s3: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The call is unavailable after a bounded time, and can be repeated."""
    timeline = Timeline()
    await watched(both, timeline, {1, 2, 3})
    names = colour_model.register(tmp_path, monkeypatch)
    lonely = service_config(
        postgres_dsn,
        valkey_url,
        s3,
        EMBEDDER=names,
        S3_ENDPOINT="http://127.0.0.1:9",
        STORE_PATIENCE_S="0.5",
    )
    async with serving(lonely, DrainSignal()) as stub, asyncio.timeout(30):
        with pytest.raises(aio.AioRpcError) as caught:
            await reembedded(stub, timeline)
    assert isinstance(error_from_rpc(caught.value), Unavailable)
    assert (await reembedded(both, timeline))[-1] == (3, 0, 0, 3)


async def test_a_call_that_is_cancelled_keeps_what_it_did(both: Stub) -> None:
    """A client that goes away leaves a service that does the rest when asked."""
    timeline = Timeline()
    await watched(both, timeline, {1, 2, 3})
    call = both.ReembedIdentities(
        reid_pb2.ReembedIdentitiesRequest(
            environment_id=timeline.environment_id, model_id=COLOUR.model_id
        )
    )
    await call.read()
    call.cancel()
    done, skipped, failed, total = (await reembedded(both, timeline))[-1]
    assert (done + skipped, failed, total) == (3, 0, 3)


async def test_new_vectors_take_part_in_association(both: Stub) -> None:
    """A timeline that goes on with the model knows its persons by their pictures."""
    timeline = Timeline()
    persons = await watched(both, timeline, {1, 2, 3})
    await reembedded(both, timeline)
    timeline.session_id, timeline.epoch = "another", 2
    talk = Conversation(both, timeline, model=COLOUR, ignore_floor=True)
    await talk.open()
    back = (Seen("west", 7, person=2),)
    seen = {}
    for number in range(60, 100):
        answer = await talk.ask_with(
            timeline.tick(number, back), {("west", 7): _vector(2)}
        )
        seen = persons_of(answer)
    await talk.close()
    assert seen["west", 7] == persons[2]


def _vector(person: int) -> np.ndarray:
    """Return what the second model sees in a person's picture."""
    values = np.array(COLOURS[person] * 16, np.float32)
    return values / np.linalg.norm(values)


async def test_the_command_shows_progress(
    postgres_dsn: str,
    valkey_url: str,
    s3: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`python -m services.reid.reembed` says how far it is, and how it ended."""
    names = colour_model.register(tmp_path, monkeypatch)
    config = service_config(postgres_dsn, valkey_url, s3, EMBEDDER=names)
    await prepare(config)
    async with serving(config, DrainSignal(), on_address=(addresses := [])) as stub:
        timeline = Timeline()
        await watched(stub, timeline, {1, 2})
        arguments = ["--environment", timeline.environment_id, "--address"]
        arguments += [addresses[0], "--model", COLOUR.model_id]
        assert await reembed.run(reembed.parse(arguments)) == 0
        assert "2 done, 0 skipped, 1 failed of 3" in capsys.readouterr().out
        arguments[-1] = ModelId("none")
        assert await reembed.run(reembed.parse(arguments)) == 1
        assert "no embedder 'none' is running" in capsys.readouterr().err
