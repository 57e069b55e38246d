"""What scores are worth at a site: kept while sessions run, fitted, and used."""

import asyncio
import math
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.common.device_watch import DeviceReport
from services.common.drain import DrainSignal
from services.common.errors import InvalidInput, NotFound, NotReady
from services.common.grpc_client import open_channel
from services.common.grpc_server import running_server
from services.common.ids import EnvironmentId, ModelId
from services.common.postgres import open_pool
from services.reid.adapters.score_table import PostgresScoreTable
from services.reid.bootstrap import SCHEMA, load_embedders, prepare, wired
from services.reid.domain.score_pairs import PairKind, ScoredPair
from services.reid.fit import parse, run
from services.reid.observe import MODEL_DEVICE
from services.reid.service.score_sampling import Drawn
from spoton.reid.v1 import reid_pb2, reid_pb2_grpc, score_fit_pb2_grpc
from spoton.reid.v1 import score_fit_pb2 as pb
from tests.integration.refusals import failure
from tests.integration.reid.conftest import service_config
from tests.integration.reid.conversations import (
    STRIPES,
    Conversation,
    Seen,
    Timeline,
    embedding,
    fresh,
    looks,
    persons_of,
)


@pytest.fixture
async def address(postgres_dsn: str, valkey_url: str, s3: object) -> AsyncIterator[str]:
    """Give a test the address of a running service."""
    config = service_config(postgres_dsn, valkey_url, s3)
    await prepare(config)
    embedders = load_embedders(config, DeviceReport(MODEL_DEVICE))
    async with (
        wired(config, embedders, DrainSignal(grace_s=1.0)) as register,
        running_server(register) as where,
    ):
        yield where


@pytest.fixture
async def fits(address: str) -> AsyncIterator[score_fit_pb2_grpc.ScoreFitServiceStub]:
    """Give a test a stub of the service that fits."""
    async with open_channel(address) as channel:
        yield score_fit_pb2_grpc.ScoreFitServiceStub(channel)


@pytest.fixture
async def reid(address: str) -> AsyncIterator[reid_pb2_grpc.ReidServiceStub]:
    """Give a test a stub of the service that associates."""
    async with open_channel(address) as channel:
        yield reid_pb2_grpc.ReidServiceStub(channel)


async def keep(
    dsn: str, environment_id: str, same: float, different: float, count: int = 40
) -> None:
    """Store scores around two similarities, each of other tracks."""
    drawn = [
        Drawn(
            (EnvironmentId(environment_id), ModelId(STRIPES.model_id), kind),
            ScoredPair(
                kind, centre + 0.002 * (index - count / 2), f"a{index}", f"b{index}", 0
            ),
            float(index),
        )
        for kind, centre in (
            (PairKind.ACROSS_CAMERAS, same),
            (PairKind.AT_ONCE, different),
        )
        for index in range(count)
    ]
    async with open_pool(dsn, SCHEMA) as pool:
        await PostgresScoreTable(pool).keep(drawn, most=1000)


async def test_a_session_leaves_scores_behind(
    reid: reid_pb2_grpc.ReidServiceStub,
    fits: score_fit_pb2_grpc.ScoreFitServiceStub,
) -> None:
    """While people walk about, pairs of several kinds are kept for a fit."""
    timeline = Timeline()
    talk = Conversation(reid, timeline)
    await talk.open()
    number, track = 0, 0
    # A pair of people in two cameras, others every three seconds.
    for _ in range(7):
        seen = tuple(
            Seen(camera, track + person, person=track + person, x_m=4.0 * person)
            for camera in ("east", "west")
            for person in (1, 2, 3)
        )
        await talk.play(number + 1, number + 45, seen)
        number, track = number + 45, track + 3
    await talk.close()
    request = pb.FitScoresRequest(environment_id=timeline.environment_id)
    answer = None
    async with asyncio.timeout(20):
        while answer is None:
            call = fits.FitScores(request)
            if (await call.code()).name == "OK":
                answer = await call
            else:
                assert isinstance(await failure(call), NotReady)
                await asyncio.sleep(0.2)
    fit = answer.fit
    kinds = {one.kind for one in fit.counts}
    assert {
        pb.PAIR_KIND_ACROSS_CAMERAS,
        pb.PAIR_KIND_AT_ONCE,
        pb.PAIR_KIND_APART_ON_FLOOR,
    } <= kinds
    assert fit.fitted
    assert fit.separation.area_under_curve.value > 0.99
    assert sum(one.same for one in fit.histogram) == pytest.approx(1.0)
    assert sum(one.different for one in fit.histogram) == pytest.approx(1.0)
    assert "well" in fit.verdict
    stored = await fits.GetScoreFit(
        pb.GetScoreFitRequest(environment_id=timeline.environment_id)
    )
    assert stored.fit == fit


async def test_too_few_pairs_are_a_failed_precondition(
    fits: score_fit_pb2_grpc.ScoreFitServiceStub, postgres_dsn: str
) -> None:
    """The error says what is missing, and the defaults stay."""
    environment = fresh("plaza")
    await keep(postgres_dsn, environment, 0.7, 0.2, count=5)
    request = pb.FitScoresRequest(environment_id=environment)
    error = await failure(fits.FitScores(request))
    assert isinstance(error, NotReady)
    assert "15 more pairs of one person" in error.message
    assert "15 more pairs of two people" in error.message
    got = await fits.GetScoreFit(pb.GetScoreFitRequest(environment_id=environment))
    assert not got.fit.fitted
    assert got.fit.likelihood.even_similarity == pytest.approx(0.65)
    assert got.fit.verdict


async def test_searches_are_calibrated_by_the_environments_fit(
    reid: reid_pb2_grpc.ReidServiceStub,
    fits: score_fit_pb2_grpc.ScoreFitServiceStub,
    postgres_dsn: str,
) -> None:
    """A fit changes what a similarity is worth here, a deleted one no more."""
    timeline = Timeline()
    talk = Conversation(reid, timeline)
    await talk.open()
    seen = (Seen("east", 1, person=1, x_m=1.0),)
    await talk.play(1, 20, seen)
    await talk.close()
    search = reid_pb2.SearchIdentitiesRequest(
        environment_id=timeline.environment_id,
        embedding=embedding(looks(1, seed=99)),
    )

    async def found() -> reid_pb2.IdentityMatch:
        return (await reid.SearchIdentities(search)).matches[0]

    before = await found()
    # Far above the default's match similarity.
    assert before.evidence_nats == pytest.approx(3.0)
    assert before.probability == pytest.approx(1 / (1 + math.exp(-3.0)))
    # Here two people look as much alike as one does elsewhere.
    same = before.similarity + 0.04
    await keep(postgres_dsn, timeline.environment_id, same, same - 0.08)
    names = {"environment_id": timeline.environment_id}
    await fits.FitScores(pb.FitScoresRequest(**names, dry_run=True))
    assert await found() == before
    fit = (await fits.FitScores(pb.FitScoresRequest(**names))).fit
    assert fit.HasField("fit_time")
    after = await found()
    assert after.similarity == before.similarity
    assert after.evidence_nats == pytest.approx(
        fit.likelihood.slope_nats
        * (math.atanh(after.similarity) - math.atanh(fit.likelihood.even_similarity)),
        abs=1e-3,
    )
    assert abs(after.evidence_nats) < 1.5 < before.evidence_nats
    assert after.probability < before.probability
    await fits.DeleteScoreFit(pb.DeleteScoreFitRequest(**names))
    assert await found() == before


async def test_a_session_associates_by_the_environments_fit(
    reid: reid_pb2_grpc.ReidServiceStub,
    fits: score_fit_pb2_grpc.ScoreFitServiceStub,
    postgres_dsn: str,
) -> None:
    """Where scores tell nobody apart, likeness alone joins no tracks."""
    environment = fresh("plaza")
    seen = (Seen("east", 1, person=1), Seen("west", 2, person=1))

    async def persons() -> int:
        talk = Conversation(reid, Timeline(environment_id=environment))
        await talk.open()
        held = persons_of((await talk.play(1, 40, seen))[-1])
        await talk.close()
        return len(set(held.values()))

    assert await persons() == 1
    await keep(postgres_dsn, environment, 0.95, 0.95)
    fit = await fits.FitScores(pb.FitScoresRequest(environment_id=environment))
    assert "carry no weight" in fit.fit.verdict
    assert await persons() == 2


async def test_fits_of_no_environment_or_model_are_refused(
    fits: score_fit_pb2_grpc.ScoreFitServiceStub,
) -> None:
    """The field at fault is named."""
    for rpc, kind in (
        (fits.FitScores, pb.FitScoresRequest),
        (fits.GetScoreFit, pb.GetScoreFitRequest),
        (fits.DeleteScoreFit, pb.DeleteScoreFitRequest),
    ):
        error = await failure(rpc(kind()))
        assert (type(error), error.field) == (InvalidInput, "environment_id")
        error = await failure(rpc(kind(environment_id="plaza", model_id="none")))
        assert (type(error), error.field) == (NotFound, "model_id")


async def test_the_command_tells_and_draws(
    address: str,
    postgres_dsn: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line for each figure, and a picture that a browser can show."""
    environment, picture = fresh("plaza"), tmp_path / "fit" / "plaza.svg"
    options = ["--environment", environment, "--address", address]
    assert await run(parse(options)) == 1
    assert "20 more pairs" in capsys.readouterr().err
    await keep(postgres_dsn, environment, 0.8, 0.3)
    assert await run(parse([*options, "--picture", str(picture)])) == 0
    said = capsys.readouterr().out
    assert "across cameras: 40, 40 pairs" in said
    assert "area under the curve  1.000" in said
    assert "stored" in said.splitlines()
    root = ET.fromstring(picture.read_text())  # noqa: S314 - our own file.
    assert root.tag.endswith("svg")
    assert len(root.findall(".//{http://www.w3.org/2000/svg}rect")) > 4
