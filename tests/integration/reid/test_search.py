"""Searching by looks or by person: filters, environments, pages, evidence."""

from pathlib import Path

import numpy as np
import pytest

from services.common.convert import ns_to_timestamp
from services.common.drain import DrainSignal
from services.common.errors import Forbidden, InvalidInput, NotFound, NotReady
from spoton.common.v1 import frame_pb2
from spoton.reid.v1 import reid_pb2
from tests.fakes.mesh import make_mesh, user
from tests.integration.refusals import failure
from tests.integration.reid.conftest import Stub, service_config, serving
from tests.integration.reid.conversations import (
    START_NS,
    TICK_NS,
    Conversation,
    Seen,
    Timeline,
    embedding,
    fresh,
    looks,
    persons_of,
)

FIRST = (Seen("east", 1, person=1, x_m=1.0), Seen("west", 2, person=2, x_m=9.0))


def query(timeline: Timeline, person: int = 1, **more: object) -> dict[str, object]:
    """Return the fields of a search by a vector."""
    return {
        "environment_id": timeline.environment_id,
        "embedding": embedding(looks(person, seed=9)),
        **more,
    }


async def played(reid: Stub, timeline: Timeline, seen: tuple[Seen, ...]) -> list[int]:
    """Return the persons of a scene, by camera and track."""
    talk = Conversation(reid, timeline)
    await talk.open()
    persons = persons_of((await talk.play(1, 30, seen))[-1])
    await talk.close()
    return [persons[key] for key in sorted(persons)]


async def search(reid: Stub, **fields: object) -> reid_pb2.SearchIdentitiesResponse:
    """Return the answer to a search."""
    return await reid.SearchIdentities(reid_pb2.SearchIdentitiesRequest(**fields))


def ids(answer: reid_pb2.SearchIdentitiesResponse) -> list[int]:
    """Return who was found."""
    return [one.identity.global_id for one in answer.matches]


async def test_each_match_shows_what_speaks_for_it(reid: Stub) -> None:
    """Score, probability, camera, time and place of the nearest look."""
    timeline = Timeline()
    await played(reid, timeline, FIRST)
    best, worst = (await search(reid, **query(timeline))).matches
    assert best.probability > 0.9 > 0.5 > worst.probability
    assert best.evidence_nats > 0 > worst.evidence_nats
    odds = 1.0 / (1.0 + np.exp(-best.evidence_nats))
    assert best.probability == pytest.approx(odds)
    nearest = best.evidence[0]
    assert nearest.similarity == pytest.approx(best.similarity, abs=1e-3)
    assert nearest.camera_id == "east"
    assert nearest.crop_count >= 1
    assert START_NS < nearest.capture_time.ToNanoseconds() <= START_NS + 30 * TICK_NS
    assert nearest.position.point.x_m == pytest.approx(1.0, abs=0.2)
    assert nearest.position.floor_id == "ground"
    assert not best.HasField("crop")


async def test_a_search_by_person_finds_others_who_look_alike(reid: Stub) -> None:
    """The same person of another recording comes first, and never the one asked for."""
    timeline = Timeline()
    mine, _ = await played(reid, timeline, FIRST)
    other = Timeline(environment_id=timeline.environment_id)
    again, stranger = await played(
        reid, other, (Seen("east", 1, person=1), Seen("west", 2, person=5))
    )
    answer = await search(reid, environment_id=timeline.environment_id, global_id=mine)
    assert ids(answer)[0] == again
    assert mine not in ids(answer)
    assert stranger in ids(answer)
    only = await search(
        reid,
        environment_id=timeline.environment_id,
        global_id=mine,
        timeline_ids=[timeline.timeline_id],
    )
    assert again not in ids(only)


async def test_several_environments_are_one_ranking(reid: Stub) -> None:
    """Those that the request names are searched, and no others."""
    here, there, hidden = Timeline(), Timeline(), Timeline()
    mine, _ = await played(reid, here, FIRST)
    theirs = await played(reid, there, (Seen("east", 1, person=1),))
    await played(reid, hidden, (Seen("east", 1, person=1),))
    names = [here.environment_id, there.environment_id]
    answer = await search(reid, **query(here, environment_ids=names))
    assert set(ids(answer)[:2]) == {mine, *theirs}
    assert len(ids(answer)) == 3
    similar = [one.similarity for one in answer.matches]
    assert similar == sorted(similar, reverse=True)
    only = await search(reid, **query(here, environment_ids=names[1:]))
    assert ids(only) == theirs


async def test_an_environment_without_the_scope_is_refused(
    reid: Stub,
    postgres_dsn: str,
    valkey_url: str,
    s3: object,
    mapper_address: str,
    tmp_path: Path,
) -> None:
    """Whoever may search in one environment may not search in another by its way."""
    here, there = Timeline(), Timeline()
    mine, _ = await played(reid, here, FIRST)
    await played(reid, there, FIRST)
    members = make_mesh(tmp_path)
    caller = user({here.environment_id: {"identities:search"}})
    metadata = members.identity("gateway").metadata("reid", caller)
    config = service_config(postgres_dsn, valkey_url, s3, MAPPER_ADDRESS=mapper_address)
    both = [here.environment_id, there.environment_id]
    policy = members.policy("reid")
    async with serving(config, DrainSignal(grace_s=1.0), policy=policy) as stub:

        async def asked(**more: object) -> reid_pb2.SearchIdentitiesResponse:
            request = reid_pb2.SearchIdentitiesRequest(**query(here, **more))
            return await stub.SearchIdentities(request, metadata=metadata)

        for names in (both, both[::-1], both[1:]):
            error = await failure(asked(environment_ids=names))
            assert isinstance(error, Forbidden)
            assert there.environment_id in str(error)
        for names in ([], both[:1]):
            assert mine in ids(await asked(environment_ids=names))
    assert len(ids(await search(reid, **query(here, environment_ids=both)))) == 4


async def test_pages_are_parts_of_one_ranking(reid: Stub) -> None:
    """Three pages of one person are the ranking, and the last has no successor."""
    timeline = Timeline()
    await played(reid, timeline, (*FIRST, Seen("north", 3, person=3)))
    everybody = ids(await search(reid, **query(timeline)))
    assert len(everybody) == 2
    listed, token = [], ""
    while True:
        page = await search(reid, **query(timeline, limit=1, page_token=token))
        listed += ids(page)
        token = page.next_page_token
        if not token:
            break
    assert listed == everybody


async def test_a_narrow_filter_finds_who_is_far_down_the_ranking(reid: Stub) -> None:
    """However many look more alike, who passes the filter is found."""
    timeline = Timeline()
    crowd = tuple(Seen("east", number, person=1) for number in range(1, 60))
    wanted = Seen("west", 99, person=4)
    *_, last = await played(reid, timeline, (*crowd, wanted))
    answer = await search(reid, **query(timeline, camera_ids=["west"], limit=1))
    assert ids(answer) == [last]
    within = await search(
        reid,
        **query(
            timeline,
            camera_ids=["west"],
            start_time=ns_to_timestamp(START_NS),
            end_time=ns_to_timestamp(START_NS + TICK_NS + 1),
            limit=1,
        ),
    )
    assert ids(within) == [last]
    before = await search(
        reid,
        **query(timeline, camera_ids=["west"], end_time=ns_to_timestamp(START_NS)),
    )
    assert ids(before) == []


BAD = {
    "no query": ({"embedding": None}, "query"),
    "an empty image": ({"embedding": None, "image": frame_pb2.Image()}, "image"),
    "no bytes": (
        {"embedding": None, "image": frame_pb2.Image(encoded=b"")},
        "image.encoded",
    ),
    "no person": ({"embedding": None, "global_id": 0}, "global_id"),
    "a negative person": ({"embedding": None, "global_id": -4}, "global_id"),
    "end at start": (
        {"start_time": ns_to_timestamp(9), "end_time": ns_to_timestamp(9)},
        "end_time",
    ),
    "end before start": (
        {"start_time": ns_to_timestamp(9), "end_time": ns_to_timestamp(8)},
        "end_time",
    ),
    "too many results": ({"limit": 101}, "limit"),
    "no token": ({"page_token": "next"}, "page_token"),
    "a token beyond the end": ({"page_token": "1000"}, "page_token"),
    "a similarity that is none": ({"min_similarity": 1.5}, "min_similarity"),
    "an unnamed camera": ({"camera_ids": ["east", ""]}, "camera_ids[1]"),
    "an unnamed timeline": ({"timeline_ids": [""]}, "timeline_ids[0]"),
    "an unnamed environment": ({"environment_ids": ["a", ""]}, "environment_ids[1]"),
    "too many environments": (
        {"environment_ids": [f"e{n}" for n in range(51)]},
        "environment_ids",
    ),
}


@pytest.mark.parametrize(("fields", "field"), BAD.values(), ids=BAD)
async def test_bad_searches_name_the_field(
    reid: Stub, fields: dict[str, object], field: str
) -> None:
    """What cannot be searched for is refused before anything is read."""
    given = {"environment_id": "plaza", "embedding": embedding(looks(1)), **fields}
    known = {name: value for name, value in given.items() if value is not None}
    error = await failure(search(reid, **known))
    assert isinstance(error, InvalidInput)
    assert error.field == field


async def test_unknown_persons_and_models_are_told(reid: Stub) -> None:
    """A person of another environment, a model that does not run, one without looks."""
    timeline = Timeline()
    mine, _ = await played(reid, timeline, FIRST)
    elsewhere = search(reid, environment_id=fresh("plaza"), global_id=mine)
    assert isinstance(await failure(elsewhere), NotFound)
    unknown = search(reid, **query(timeline, model_id="no-such-model"))
    assert isinstance(await failure(unknown), NotFound)


async def test_a_person_without_vectors_of_the_model_is_not_ready(both: Stub) -> None:
    """The answer says which model is missing."""
    timeline = Timeline()
    mine, _ = await played(both, timeline, FIRST)
    models = (await both.ListModels(reid_pb2.ListModelsRequest())).models
    error = await failure(
        search(
            both,
            environment_id=timeline.environment_id,
            global_id=mine,
            model_id=models[1].model_id,
        )
    )
    assert isinstance(error, NotReady)
    assert models[1].model_id in str(error)
