"""Several embedders at once, and a timeline that changes between them."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from google.rpc import code_pb2

from services.common.convert import image_to_proto
from services.common.errors import InvalidInput, NotFound
from services.common.grpc_errors import error_from_status
from services.common.postgres import open_pool
from services.reid.bootstrap import SCHEMA
from spoton.common.v1 import frame_pb2
from spoton.reid.v1 import reid_pb2
from tests.integration.refusals import failure
from tests.integration.reid.conftest import Stub
from tests.integration.reid.conversations import (
    COLOUR,
    STRIPES,
    Conversation,
    Model,
    Seen,
    Timeline,
    embedding,
    fresh,
    looks,
    persons_of,
)

HERE = (
    Seen("east", 1, person=1, x_m=1.0),
    Seen("east", 2, person=2, x_m=7.0),
    Seen("west", 1, person=1, x_m=1.1),
)
CROP = image_to_proto(np.full((40, 20, 3), (200, 120, 40), np.uint8))


async def test_every_running_model_is_listed(both: Stub) -> None:
    """The list begins with the default, and each can be asked for by name."""
    answer = await both.ListModels(reid_pb2.ListModelsRequest())
    names = [model.model_id for model in answer.models]
    assert names == [STRIPES.model_id, COLOUR.model_id]
    assert answer.default_model_id == STRIPES.model_id
    for model in answer.models:
        request = reid_pb2.GetModelRequest(model_id=model.model_id)
        assert (await both.GetModel(request)).model == model
    default = await both.GetModel(reid_pb2.GetModelRequest())
    assert default.model == answer.models[0]


async def test_one_stream_may_ask_several_models(both: Stub) -> None:
    """Each crop is answered by the model that it names, or by the default."""
    call = both.Embed()
    await call.read()
    for number, name in enumerate(("", COLOUR.model_id, "none", STRIPES.model_id)):
        await call.write(
            reid_pb2.EmbedRequest(crop_id=number, crop=CROP, model_id=name)
        )
    answers = [await call.read() for _ in range(4)]
    assert [answer.embedding.model_id for answer in answers] == [
        STRIPES.model_id,
        COLOUR.model_id,
        "",
        STRIPES.model_id,
    ]
    refused = error_from_status(answers[2].status)
    assert answers[2].status.code == code_pb2.NOT_FOUND
    assert refused.field == "model_id"
    vector = np.frombuffer(answers[1].embedding.values, "<f4")
    expected = np.array([200, 120, 40] * 16) / np.linalg.norm([200, 120, 40] * 16)
    assert vector == pytest.approx(expected, abs=1e-6)
    call.cancel()


def _search(**fields: object) -> Callable[[Stub], object]:
    request = reid_pb2.SearchIdentitiesRequest(environment_id="plaza", **fields)
    return lambda stub: stub.SearchIdentities(request)


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (lambda r: r.GetModel(reid_pb2.GetModelRequest(model_id="none")), "model_id"),
        (
            lambda r: r.EmbedImage(
                reid_pb2.EmbedImageRequest(crop=CROP, model_id="none")
            ),
            "model_id",
        ),
        (_search(image=CROP, model_id="none"), "model_id"),
        (
            _search(embedding=embedding(looks(1), Model("none", 3))),
            "embedding.model_id",
        ),
        (
            lambda r: _first(
                r.ReembedIdentities(
                    reid_pb2.ReembedIdentitiesRequest(
                        environment_id="plaza", model_id="none"
                    )
                )
            ),
            "model_id",
        ),
        (
            lambda r: Conversation(r, Timeline(), model=Model("none", 3)).open(),
            "open.embedder_model_id",
        ),
    ],
    ids=["GetModel", "EmbedImage", "by image", "by vector", "Reembed", "Associate"],
)
async def test_an_unknown_model_is_not_found(
    both: Stub, ask: Callable[[Stub], object], field: str
) -> None:
    """The error names the field, and the models that are running."""
    error = await failure(ask(both))
    assert isinstance(error, NotFound)
    assert error.field == field
    for model in (STRIPES, COLOUR):
        assert model.model_id in error.message


async def _first(call: object) -> object:
    return await call.read()


async def test_a_vector_must_be_of_the_model_that_is_searched(both: Stub) -> None:
    """A search with a vector of one model and the name of another is invalid."""
    request = reid_pb2.SearchIdentitiesRequest(
        environment_id="plaza", embedding=embedding(looks(1)), model_id=COLOUR.model_id
    )
    error = await failure(both.SearchIdentities(request))
    assert isinstance(error, InvalidInput)
    assert error.field == "embedding.model_id"


async def found(stub: Stub, timeline: Timeline, person: int, model: Model) -> list[int]:
    """Return who looks clearly like a person, to a model."""
    answer = await stub.SearchIdentities(
        reid_pb2.SearchIdentitiesRequest(
            environment_id=timeline.environment_id,
            embedding=embedding(looks(person, seed=99, model=model), model),
            min_similarity=0.7,
        )
    )
    return [match.identity.global_id for match in answer.matches]


@pytest.mark.parametrize("same_session", [True, False])
async def test_a_timeline_goes_on_with_another_model(
    both: Stub,
    postgres_dsn: str,
    same_session: bool,  # noqa: FBT001 - a parameter of the test.
) -> None:
    """Ids stay by the floor; each model finds its own vectors, and only those."""
    timeline = Timeline()
    talk = Conversation(both, timeline)
    await talk.open()
    before = persons_of((await talk.play(1, 30, HERE))[-1])
    await talk.close()
    one, two = before["east", 1], before["east", 2]
    assert await found(both, timeline, 1, STRIPES) == [one]
    assert await found(both, timeline, 1, COLOUR) == []

    if not same_session:
        timeline.session_id, timeline.epoch = fresh("session"), 2
    talk = Conversation(both, timeline, model=COLOUR)
    await talk.open()
    after = persons_of((await talk.play(31, 60, HERE))[-1])
    await talk.close()
    assert after == before
    assert talk.asked
    for model in (STRIPES, COLOUR):
        assert await found(both, timeline, 1, model) == [one]
        assert await found(both, timeline, 2, model) == [two]
    async with (
        open_pool(postgres_dsn, SCHEMA) as pool,
        pool.connection() as connection,
    ):
        cursor = await connection.execute(
            "SELECT DISTINCT model_id, vector_dims(vector) FROM prototypes "
            "WHERE environment_id = %s AND vector IS NOT NULL ORDER BY 1",
            (timeline.environment_id,),
        )
        assert await cursor.fetchall() == [
            (COLOUR.model_id, COLOUR.dimensions),
            (STRIPES.model_id, STRIPES.dimensions),
        ]

    timeline.session_id, timeline.epoch = fresh("session"), 3
    talk = Conversation(both, timeline)
    await talk.open()
    assert persons_of((await talk.play(61, 90, HERE))[-1]) == before
    await talk.close()


async def test_a_merge_takes_the_vectors_of_other_models_along(both: Stub) -> None:
    """Who goes on as another is found as that one, with every model."""
    timeline = Timeline()
    apart = (Seen("east", 1, person=1), Seen("west", 1, person=2))
    talk = Conversation(both, timeline)
    await talk.open()
    before = persons_of((await talk.play(1, 30, apart))[-1])
    assert before["east", 1] != before["west", 1]
    await talk.close()
    # Another model, and the floor, show that the two are one.
    timeline.epoch = 2
    alike = (
        Seen("east", 1, person=5, x_m=3.0),
        Seen("west", 1, person=5, x_m=3.1),
    )
    talk = Conversation(both, timeline, model=COLOUR)
    await talk.open()
    after = persons_of((await talk.play(31, 200, alike))[-1])
    await talk.close()
    assert after["east", 1] == after["west", 1] == before["east", 1]
    assert await found(both, timeline, 1, STRIPES) == [before["east", 1]]
    assert await found(both, timeline, 2, STRIPES) == [before["east", 1]]


async def test_a_search_by_image_uses_the_model_that_it_names(both: Stub) -> None:
    """A picture is compared with the vectors of one model alone."""
    timeline = Timeline()
    talk = Conversation(both, timeline, model=COLOUR)
    await talk.open()
    await talk.play(1, 10, HERE)
    await talk.close()
    file = cv2.imencode(".png", np.full((40, 20, 3), 130, np.uint8))[1].tobytes()

    async def matches(model_id: str) -> int:
        request = reid_pb2.SearchIdentitiesRequest(
            environment_id=timeline.environment_id,
            image=frame_pb2.Image(encoded=file),
            model_id=model_id,
        )
        return len((await both.SearchIdentities(request)).matches)

    assert await matches(COLOUR.model_id) == 2
    assert await matches(STRIPES.model_id) == await matches("") == 0
