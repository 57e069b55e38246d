"""The whole service as a process: from events in the log to answers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from grpc import aio

from services.common.errors import NotFound, Unavailable
from services.common.event_log import EventLog
from services.common.grpc_client import open_channel
from services.common.grpc_errors import error_from_rpc
from services.common.ids import EnvironmentId
from services.common.redis_client import open_redis
from spoton.analytics.v1 import analytics_pb2_grpc, presence_pb2
from spoton.mapper.v1 import environment_pb2, tripwire_pb2
from tests.fakes import by_hand
from tests.fakes.mapper import FakeMapper, FakeTripwires, running_mapper
from tests.fakes.scene_events import events
from tests.fakes.scripted_scene import (
    FLOOR,
    STEP_US,
    TRIPWIRES,
    US,
    ZONES,
    Scene,
    timestamp,
)
from tests.fakes.small_scenes import scene_of
from tests.integration.analytics.processes import Process

ENVIRONMENT = EnvironmentId("plaza")
TIMEOUT_S = 60.0


def zones() -> list[environment_pb2.Zone]:
    """Return the zones as the mapper tells them."""
    return [
        environment_pb2.Zone(
            environment_id=ENVIRONMENT,
            zone_id=name,
            floor_id=FLOOR,
            corners=[{"x_m": x_m, "y_m": y_m} for x_m, y_m in corners],
        )
        for name, corners in ZONES.items()
    ]


def tripwires() -> list[tripwire_pb2.Tripwire]:
    """Return the tripwires as the mapper tells them."""
    return [
        tripwire_pb2.Tripwire(
            environment_id=ENVIRONMENT,
            tripwire_id=name,
            floor_id=FLOOR,
            start={"x_m": start[0], "y_m": start[1]},
            end={"x_m": end[0], "y_m": end[1]},
        )
        for name, (start, end) in TRIPWIRES.items()
    ]


@pytest.fixture
async def service(
    postgres_dsn: str, valkey_url: str, tmp_path: Path
) -> AsyncIterator[Process]:
    """Give a running service that knows one environment."""
    known = FakeMapper({ENVIRONMENT: zones()}), FakeTripwires(tripwires())
    async with running_mapper(*known) as mapper:
        process = Process(
            {
                "POSTGRES_DSN": postgres_dsn,
                "REDIS_URL": valkey_url,
                "MAPPER_ADDRESS": mapper,
                "OWNER": "test",
            },
            tmp_path / "analytics.log",
        )
        process.start()
        try:
            yield process
        finally:
            process.kill()


async def append(valkey_url: str, scene: Scene) -> None:
    """Append a scene to the log, as the pipeline and reid would."""
    async with open_redis(valkey_url) as client:
        log = EventLog(client)
        for number, (_, event) in enumerate(events(scene), 1):
            await log.append(
                ENVIRONMENT, event, producer="test", producer_sequence=number
            )


async def test_what_is_published_is_told(
    service: Process, valkey_url: str, postgres_dsn: str
) -> None:
    """Everybody who walked through the log is in the answers, and nothing else."""
    first = [0] * 15 + [2] * 15 + [None] * 10
    second = [None] * 5 + [1] * 10 + [3] * 25
    scene = scene_of({101: first, 102: second})
    await append(valkey_url, scene)
    async with open_channel(service.address) as channel:
        stub = analytics_pb2_grpc.AnalyticsServiceStub(channel)
        async with asyncio.timeout(TIMEOUT_S):
            await _until_stored(stub, scene.end_us - STEP_US)
        crossings = await stub.GetCrossings(
            presence_pb2.GetCrossingsRequest(
                environment_id=ENVIRONMENT,
                start_time=timestamp(scene.start_us),
                end_time=timestamp(scene.end_us + US),
            )
        )
    visits = by_hand.visits(scene)
    assert {one.zone_id: (one.entries, one.exits) for one in crossings.zones} == {
        zone: (len(here), len(here))
        for zone in ZONES
        for here in [[one for one in visits if one.zone == zone]]
    }
    crossed = by_hand.wires_crossed(scene, scene.start_us, scene.end_us)
    assert {
        (one.tripwire_id, one.left_to_right, one.right_to_left)
        for one in crossings.tripwires
    } == {(name, crossed[name, True], crossed[name, False]) for name in TRIPWIRES}
    assert crossed
    with psycopg.connect(postgres_dsn) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM analytics.positions"
        ).fetchone() or (0,)
    assert count == len(scene.sightings)


async def _until_stored(
    stub: analytics_pb2_grpc.AnalyticsServiceStub, last_us: int
) -> None:
    """Wait until the history reaches a capture time."""
    request = presence_pb2.GetOccupancyRequest(environment_id=ENVIRONMENT)
    while True:
        try:
            answer = await stub.GetOccupancy(request, timeout=5.0)
            if answer.coverage.stored_until.ToMicroseconds() >= last_us:
                return
        except aio.AioRpcError as error:
            # It starts, and then has not heard of the environment.
            if not isinstance(error_from_rpc(error), Unavailable | NotFound):
                raise
        await asyncio.sleep(0.1)
