"""Reading, listing, searching and picturing persons on real stores."""

import asyncio

import grpc
import numpy as np
import pytest
from grpc import aio

from services.common.convert import image_to_proto, ns_to_timestamp
from services.common.errors import InvalidInput
from services.common.event_log import EventLog
from services.common.ids import EnvironmentId
from services.common.images import decode_image
from services.common.postgres import open_pool
from services.common.redis_client import open_redis
from services.reid.adapters.embedders.stripes import MODEL
from services.reid.adapters.index_kinds import IndexChoice
from services.reid.adapters.pgvector_index import PgvectorIndex
from services.reid.adapters.vector_index import FaissIndex
from services.reid.bootstrap import SCHEMA
from spoton.common.v1 import events_pb2, frame_pb2
from spoton.reid.v1 import reid_pb2
from tests.fakes.pictures import HOSTILE_FILES, encoded, jpeg
from tests.integration.refusals import failure
from tests.integration.reid.conftest import Environments, Replica, Stub
from tests.integration.reid.conversations import (
    START_NS,
    TICK_NS,
    Conversation,
    Seen,
    Timeline,
    embedding,
    events_of,
    fresh,
    looks,
    persons_of,
)

PAIR = (
    Seen("east", 1, person=1, x_m=1.0),
    Seen("west", 2, person=2, x_m=9.0),
)


async def played(reid: Stub, timeline: Timeline) -> tuple[int, int]:
    """Return the persons of a scene that was played to its end."""
    talk = Conversation(reid, timeline)
    await talk.open()
    persons = persons_of((await talk.play(1, 30, PAIR))[-1])
    await talk.close()
    return persons["east", 1], persons["west", 2]


def status_of(caught: pytest.ExceptionInfo[aio.AioRpcError]) -> grpc.StatusCode:
    """Return the code that a call ended with."""
    return caught.value.code()


async def test_a_person_is_stored_with_every_sighting(reid: Stub) -> None:
    """After the stream is closed, counts and times are exact."""
    timeline = Timeline()
    first, _ = await played(reid, timeline)
    answer = await reid.GetIdentity(
        reid_pb2.GetIdentityRequest(
            environment_id=timeline.environment_id, global_id=first
        )
    )
    identity = answer.identity
    assert identity.label == 1
    assert identity.timeline_id == timeline.timeline_id
    assert [(one.camera_id, one.detections) for one in identity.cameras] == [
        ("east", 30)
    ]
    assert identity.first_seen_time == ns_to_timestamp(START_NS + TICK_NS)
    assert identity.last_seen_time == ns_to_timestamp(START_NS + 30 * TICK_NS)
    assert identity.last_position.point.x_m == pytest.approx(1.0, abs=0.05)
    assert identity.prototype_count >= 1
    assert not identity.provisional
    assert not identity.has_crop


async def test_unknown_persons_are_not_found(reid: Stub) -> None:
    """An id of another environment is as unknown as one that never was."""
    timeline = Timeline()
    first, _ = await played(reid, timeline)
    for environment, global_id in ((fresh("plaza"), first), (fresh("plaza"), 5)):
        request = reid_pb2.GetIdentityRequest(
            environment_id=environment, global_id=global_id
        )
        with pytest.raises(aio.AioRpcError) as caught:
            await reid.GetIdentity(request)
        assert status_of(caught) is grpc.StatusCode.NOT_FOUND


async def test_pages_hold_everybody_once(reid: Stub) -> None:
    """Pages of one person each list all persons by ascending id."""
    timeline = Timeline()
    expected = sorted(await played(reid, timeline))
    listed, token = [], ""
    while True:
        page = await reid.ListIdentities(
            reid_pb2.ListIdentitiesRequest(
                environment_id=timeline.environment_id,
                timeline_id=timeline.timeline_id,
                page_size=1,
                page_token=token,
            )
        )
        listed += [one.global_id for one in page.identities]
        token = page.next_page_token
        if not token:
            break
    assert listed == expected


@pytest.mark.parametrize(
    "bad", [{"page_size": -1}, {"page_size": 1001}, {"page_token": "first"}]
)
async def test_bad_pages_are_refused(reid: Stub, bad: dict[str, object]) -> None:
    """A size out of range, or a token that no page gave, is invalid."""
    request = reid_pb2.ListIdentitiesRequest(environment_id="plaza", **bad)
    with pytest.raises(aio.AioRpcError) as caught:
        await reid.ListIdentities(request)
    assert status_of(caught) is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_search_finds_who_looks_like_it(reid: Stub) -> None:
    """The nearest person comes first, each person once."""
    timeline = Timeline()
    first, second = await played(reid, timeline)
    answer = await reid.SearchIdentities(
        reid_pb2.SearchIdentitiesRequest(
            environment_id=timeline.environment_id,
            embedding=embedding(looks(2, seed=99)),
        )
    )
    assert [one.identity.global_id for one in answer.matches] == [second, first]
    assert answer.matches[0].similarity > 0.8 > answer.matches[1].similarity


@pytest.mark.parametrize(
    ("narrowing", "found"),
    [
        ({"camera_ids": ["west"]}, [2]),
        ({"camera_ids": ["north"]}, []),
        ({"min_similarity": 0.8}, [1]),
        ({"limit": 1}, [1]),
        ({"start_time": ns_to_timestamp(START_NS + 31 * TICK_NS)}, []),
        ({"end_time": ns_to_timestamp(START_NS)}, []),
        ({"timeline_ids": ["another"]}, []),
    ],
)
async def test_a_search_can_be_narrowed(
    reid: Stub, narrowing: dict[str, object], found: list[int]
) -> None:
    """Cameras, times, timelines, similarity and a limit leave others out."""
    timeline = Timeline()
    persons = dict(zip((1, 2), await played(reid, timeline), strict=True))
    answer = await reid.SearchIdentities(
        reid_pb2.SearchIdentitiesRequest(
            environment_id=timeline.environment_id,
            embedding=embedding(looks(1)),
            **narrowing,
        )
    )
    ids = [one.identity.global_id for one in answer.matches]
    assert ids == [persons[one] for one in found]


async def test_every_replica_finds_what_others_wrote(replica: Replica) -> None:
    """A replica that never associated finds the persons of another."""
    timeline = Timeline()
    async with replica() as writer, replica() as reader:
        search = reid_pb2.SearchIdentitiesRequest(
            environment_id=timeline.environment_id, embedding=embedding(looks(1))
        )
        assert not (await reader.SearchIdentities(search)).matches
        first, _ = await played(writer, timeline)
        matches = (await reader.SearchIdentities(search)).matches
        assert matches[0].identity.global_id == first


async def test_the_index_agrees_with_the_database(
    reid: Stub, postgres_dsn: str
) -> None:
    """FAISS and pgvector return the same persons and similarities."""
    timeline = Timeline()
    await played(reid, timeline)
    environment = EnvironmentId(timeline.environment_id)
    async with open_pool(postgres_dsn, SCHEMA) as pool:
        pgvector = PgvectorIndex(pool, MODEL.model_id)
        async with FaissIndex(
            pool, MODEL.model_id, MODEL.dimensions, IndexChoice()
        ) as faiss:
            ours = await faiss.nearest(environment, looks(1), 5)
        truth = await pgvector.nearest(environment, looks(1), 5)
    assert [one for one, _ in ours] == [one for one, _ in truth]
    assert [value for _, value in ours] == pytest.approx(
        [value for _, value in truth], abs=1e-5
    )


@pytest.mark.parametrize(
    ("vector", "model_id", "field"),
    [
        pytest.param(looks(1)[:-1], MODEL.model_id, "values", id="wrong length"),
        pytest.param(looks(1) * float("nan"), MODEL.model_id, "values", id="nan"),
        pytest.param(looks(1) * 0, MODEL.model_id, "values", id="zero"),
    ],
)
async def test_vectors_that_cannot_be_compared_are_refused(
    reid: Stub, vector: np.ndarray, model_id: str, field: str
) -> None:
    """A search with such a vector is invalid and names the field."""
    query = embedding(vector)
    query.model_id = model_id
    error = await failure(
        reid.SearchIdentities(
            reid_pb2.SearchIdentitiesRequest(environment_id="plaza", embedding=query)
        )
    )
    assert isinstance(error, InvalidInput)
    assert error.field == f"embedding.{field}"


@pytest.mark.parametrize("file", HOSTILE_FILES.values(), ids=HOSTILE_FILES)
async def test_a_search_by_a_bad_image_is_refused(reid: Stub, file: bytes) -> None:
    """A file that is no usable picture names its field."""
    request = reid_pb2.SearchIdentitiesRequest(
        environment_id="plaza", image=frame_pb2.Image(encoded=file)
    )
    error = await failure(reid.SearchIdentities(request))
    assert isinstance(error, InvalidInput)
    assert error.field == "image.encoded"


async def test_a_search_by_one_pixel_is_answered(reid: Stub) -> None:
    """The smallest picture is a query like any other."""
    pixel = image_to_proto(np.zeros((1, 1, 3), np.uint8))
    request = reid_pb2.SearchIdentitiesRequest(environment_id="nobody", image=pixel)
    assert not (await reid.SearchIdentities(request)).matches


async def test_an_environment_that_was_never_watched_has_nobody(reid: Stub) -> None:
    """Environments belong to the mapper: an unknown one has no persons here."""
    embedded = embedding(looks(1))
    search = reid_pb2.SearchIdentitiesRequest(
        environment_id="nowhere", embedding=embedded
    )
    assert not (await reid.SearchIdentities(search)).matches
    listing = reid_pb2.ListIdentitiesRequest(environment_id="nowhere")
    assert not (await reid.ListIdentities(listing)).identities


async def test_a_search_needs_a_query(reid: Stub) -> None:
    """A search for nothing is invalid."""
    with pytest.raises(aio.AioRpcError) as caught:
        await reid.SearchIdentities(
            reid_pb2.SearchIdentitiesRequest(environment_id="plaza")
        )
    assert status_of(caught) is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_search_by_image_uses_the_embedder(reid: Stub) -> None:
    """A picture is a query like its vector."""
    timeline = Timeline()
    await played(reid, timeline)
    image = frame_pb2.Image(encoded=jpeg())
    by_image = await reid.SearchIdentities(
        reid_pb2.SearchIdentitiesRequest(
            environment_id=timeline.environment_id, image=image
        )
    )
    vector = (await reid.EmbedImage(reid_pb2.EmbedImageRequest(crop=image))).embedding
    by_vector = await reid.SearchIdentities(
        reid_pb2.SearchIdentitiesRequest(
            environment_id=timeline.environment_id, embedding=vector
        )
    )
    assert by_image == by_vector
    assert len(by_image.matches) == 2


async def test_the_best_picture_is_kept(
    reid: Stub, replica: Replica, environments: Environments
) -> None:
    """A better picture takes the place of the first; heads are hidden on demand."""
    timeline = Timeline()
    talk = Conversation(reid, timeline)
    await talk.open()
    answers = await talk.play(1, 30, PAIR)
    wanted = next(
        one
        for answer in answers
        for one in answer.result.crops_wanted
        if one.track.camera_id == "east"
    )
    assert 0 < wanted.quality <= 1

    async def offer(number: int, quality: float, picture: bytes) -> None:
        crop = reid_pb2.PersonCrop(
            global_id=wanted.global_id,
            camera_id="east",
            track_id=1,
            capture_time=ns_to_timestamp(START_NS),
            quality=quality,
            jpeg=picture,
        )
        await talk.ask(timeline.tick(number, PAIR, crops=[crop]), PAIR)

    request = reid_pb2.GetIdentityCropRequest(
        environment_id=timeline.environment_id, global_id=wanted.global_id
    )
    with pytest.raises(aio.AioRpcError) as caught:
        await reid.GetIdentityCrop(request)
    assert status_of(caught) is grpc.StatusCode.NOT_FOUND

    async def has_crop() -> bool:
        answer = await reid.GetIdentity(
            reid_pb2.GetIdentityRequest(
                environment_id=timeline.environment_id, global_id=wanted.global_id
            )
        )
        return answer.identity.has_crop

    async def kept(quality: float) -> reid_pb2.GetIdentityCropResponse:
        async with asyncio.timeout(20):
            while True:
                if await has_crop():
                    found = await reid.GetIdentityCrop(request)
                    if found.quality == pytest.approx(quality):
                        return found
                await asyncio.sleep(0.05)

    await offer(31, 0.5, jpeg(50))
    assert (await kept(0.5)).jpeg == jpeg(50)
    await offer(32, 0.3, jpeg(30))
    await offer(33, 0.9, b"\xff\xd8\xff no picture")
    rng = np.random.default_rng(7)
    best = encoded(rng.integers(0, 256, (64, 32, 3), np.uint8), ".jpg")
    await offer(34, 0.8, best)
    found = await kept(0.8)
    assert found.jpeg == best
    assert found.camera_id == "east"
    await talk.close()
    environments.blur_heads = True
    async with replica() as other:
        hidden = (await other.GetIdentityCrop(request)).jpeg
    shown = decode_image(best, field="shown").astype(int)
    pixels = decode_image(hidden, field="hidden").astype(int)
    assert pixels.shape == shown.shape
    assert np.abs(pixels - shown)[:16].mean() > 30
    assert np.abs(pixels - shown)[24:].mean() < 15


async def test_events_reach_the_stream_once(reid: Stub, valkey_url: str) -> None:
    """What happened to identities is in the environment's log, in order, once."""
    timeline = Timeline()
    talk = Conversation(reid, timeline)
    await talk.open()
    answers = await talk.play(1, 20, PAIR)
    await talk.close()
    expected = events_of(answers)
    assert [one.kind for one in expected][:2] == [
        events_pb2.IDENTITY_EVENT_KIND_CREATED,
        events_pb2.IDENTITY_EVENT_KIND_CREATED,
    ]
    async with open_redis(valkey_url) as redis:
        log = EventLog(redis)
        environment = EnvironmentId(timeline.environment_id)
        async with asyncio.timeout(20):
            while (await log.bounds(environment)).last < len(expected):
                await asyncio.sleep(0.05)
        logged = await log.read(environment, after=0, limit=100)
    assert [one.identity for one in logged] == expected
