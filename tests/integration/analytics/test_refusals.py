"""What the analytics refuse, and what they answer where there is little to tell."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from services.analytics.bootstrap import open_figures
from services.common.errors import InvalidInput, NotFound
from services.common.grpc_client import open_channel
from services.common.grpc_server import running_server
from spoton.analytics.v1 import (
    analytics_pb2_grpc,
    movement_pb2,
    operation_pb2,
    presence_pb2,
)
from tests.fakes import by_hand
from tests.fakes.scripted_scene import (
    START_S,
    STEP_US,
    US,
    ZONES,
    Scene,
    Sighting,
    scripted_scene,
    timestamp,
)
from tests.fakes.stored_scene import store_scene
from tests.integration.refusals import failure

Stub = analytics_pb2_grpc.AnalyticsServiceStub
MORNING_S = 900
START_US = START_S * US


def morning() -> Scene:
    """Return the first quarter of the hour, whose session goes on."""
    hour = scripted_scene()
    end_us = START_US + MORNING_S * US
    return replace(
        hour,
        sightings=tuple(one for one in hour.sightings if one.time_us < end_us),
        changes=tuple(one for one in hour.changes if one.time_us < end_us),
        frame_sets=MORNING_S * US // STEP_US,
        ends=False,
    )


@pytest.fixture(scope="module")
def environment(postgres_dsn: str) -> tuple[str, str]:
    """Store a morning once; return where it is and its name."""
    name = f"morning-{secrets.token_hex(3)}"
    asyncio.run(store_scene(postgres_dsn, name, morning()))
    return postgres_dsn, name


@pytest.fixture
async def stub(environment: tuple[str, str]) -> AsyncIterator[Stub]:
    """Give a client of a service that has the morning."""
    async with (
        open_figures(environment[0], by_hand.ABSENCE_US / US) as register,
        running_server(register) as address,
        open_channel(address) as channel,
    ):
        yield Stub(channel)


@pytest.fixture
def asked(environment: tuple[str, str]) -> dict[str, object]:
    """Give what every request about the morning says."""
    return {
        "environment_id": environment[1],
        "start_time": timestamp(START_US),
        "end_time": timestamp(START_US + MORNING_S * US),
    }


async def test_who_is_present_now(stub: Stub, asked: dict[str, object]) -> None:
    """Those seen within the absence limit, in the zones where they were last."""
    scene = morning()
    answer = await stub.GetOccupancy(
        presence_pb2.GetOccupancyRequest(environment_id=asked["environment_id"])
    )
    as_of_us = scene.end_us - STEP_US
    latest = [
        seen[-1]
        for seen in by_hand.people(scene).values()
        if seen[-1].time_us >= as_of_us - by_hand.ABSENCE_US
    ]
    assert answer.as_of_time.ToMicroseconds() == as_of_us
    assert answer.persons == len(latest) > 0
    assert {one.zone_id: one.persons for one in answer.zones} == {
        zone: sum(_is_in(zone, one) for one in latest) for zone in ZONES
    }


def _is_in(zone: str, sighting: Sighting) -> bool:
    position_m = sighting.position_m
    return position_m is not None and by_hand.is_inside(ZONES[zone], position_m)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"end_time": timestamp(START_US)}, "end_time"),
        ({"end_time": timestamp(START_US - US)}, "end_time"),
        ({"end_time": None}, "end_time"),
        ({"start_time": None}, "start_time"),
        ({"start_time": timestamp(-US)}, "start_time"),
        ({"zone_ids": ["shop"] * 201}, "zone_ids"),
        ({"zone_ids": [""]}, "zone_ids[0]"),
        ({"environment_id": "Not An Id"}, "environment_id"),
    ],
)
async def test_bad_questions_are_refused(
    stub: Stub, asked: dict[str, object], change: dict[str, object], field: str
) -> None:
    """A reversed or open range and bad names are told by the field, by every RPC."""
    values = {name: one for name, one in (asked | change).items() if one is not None}
    for call, request in (
        (stub.GetUniquePersons, presence_pb2.GetUniquePersonsRequest),
        (stub.GetCrossings, presence_pb2.GetCrossingsRequest),
        (stub.GetDwell, presence_pb2.GetDwellRequest),
        (stub.GetFlow, movement_pb2.GetFlowRequest),
        (stub.GetOccupancySeries, presence_pb2.GetOccupancySeriesRequest),
    ):
        error = await failure(call(request(**values)))
        assert isinstance(error, InvalidInput)
        assert error.field == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"environment_id": "nowhere"}, "environment_id"),
        ({"zone_ids": ["shop", "attic"]}, "zone_ids[1]"),
        ({"timeline_ids": ["yesterday"]}, "timeline_ids[0]"),
    ],
)
async def test_what_is_not_known_is_told(
    stub: Stub, asked: dict[str, object], change: dict[str, object], field: str
) -> None:
    """An unknown environment, zone or timeline is NOT_FOUND and names the field."""
    error = await failure(
        stub.GetDwell(presence_pb2.GetDwellRequest(**(asked | change)))
    )
    assert isinstance(error, NotFound)
    assert error.field == field


async def test_an_unknown_tripwire_person_or_level_is_told(
    stub: Stub, asked: dict[str, object]
) -> None:
    """NOT_FOUND names the field."""
    wires = presence_pb2.GetCrossingsRequest(**asked, tripwire_ids=["moat"])
    person = movement_pb2.GetHeatmapRequest(**asked, global_id=999)
    level = movement_pb2.GetSpeedRequest(**asked, floor_id="attic")
    for call, field in (
        (stub.GetCrossings(wires), "tripwire_ids[0]"),
        (stub.GetHeatmap(person), "global_id"),
        (stub.GetSpeed(level), "floor_id"),
    ):
        error = await failure(call)
        assert isinstance(error, NotFound)
        assert error.field == field


@pytest.mark.parametrize(
    ("step_us", "field"), [(0, "step"), (-US, "step"), (10_000, "step")]
)
async def test_bad_steps_are_refused(
    stub: Stub, asked: dict[str, object], step_us: int, field: str
) -> None:
    """No step, a negative one, and one that is too small for the range."""
    request = presence_pb2.GetOccupancySeriesRequest(**asked)
    request.step.FromMicroseconds(step_us)
    error = await failure(stub.GetOccupancySeries(request))
    assert isinstance(error, InvalidInput)
    assert error.field == field


@pytest.mark.parametrize("cell_size_m", [0.1, 0.3, -1.0, 51.0, float("nan")])
async def test_bad_cells_are_refused(
    stub: Stub, asked: dict[str, object], cell_size_m: float
) -> None:
    """Cells smaller than what is stored, no multiples of it, and none at all."""
    request = movement_pb2.GetHeatmapRequest(**asked, cell_size_m=cell_size_m)
    error = await failure(stub.GetHeatmap(request))
    assert isinstance(error, InvalidInput)
    assert error.field == "cell_size_m"


async def test_other_parameters_out_of_range_are_refused(
    stub: Stub, asked: dict[str, object]
) -> None:
    """Each names its field."""
    transit = movement_pb2.GetFlowRequest(**asked)
    transit.max_transit.FromSeconds(100_000)
    wide = presence_pb2.GetDwellRequest(**asked)
    wide.bin_width.FromMicroseconds(1)
    still = movement_pb2.GetFrequentAreasRequest(**asked)
    still.min_dwell.FromSeconds(0)
    odd = operation_pb2.GetPipelineActivityRequest(**asked)
    odd.step.FromSeconds(90)
    half = operation_pb2.GetCameraActivityRequest(
        **asked | {"start_time": timestamp(START_US + 1)}
    )
    for call, field in (
        (stub.GetFlow(transit), "max_transit"),
        (stub.GetDwell(wide), "bin_width"),
        (
            stub.GetDwell(presence_pb2.GetDwellRequest(**asked, bin_count=2000)),
            "bin_count",
        ),
        (
            stub.GetDwell(presence_pb2.GetDwellRequest(**asked, percentiles=[50, 101])),
            "percentiles[1]",
        ),
        (
            stub.GetFrequentAreas(
                movement_pb2.GetFrequentAreasRequest(**asked, radius_m=21)
            ),
            "radius_m",
        ),
        (stub.GetFrequentAreas(still), "min_dwell"),
        (stub.GetPipelineActivity(odd), "step"),
        (stub.GetCameraActivity(half), "start_time"),
    ):
        error = await failure(call)
        assert isinstance(error, InvalidInput)
        assert error.field == field


async def test_a_refused_stream_tells_why(stub: Stub, asked: dict[str, object]) -> None:
    """Streams end with the status of the error table before their first message."""
    for call, kind, field in (
        (
            stub.StreamJourney(
                movement_pb2.StreamJourneyRequest(**asked, global_id=12345)
            ),
            NotFound,
            "global_id",
        ),
        (
            stub.StreamVisits(
                presence_pb2.StreamVisitsRequest(environment_id=asked["environment_id"])
            ),
            InvalidInput,
            "start_time",
        ),
    ):
        error = await failure(call.read())
        assert isinstance(error, kind)
        assert error.field == field


async def test_an_empty_range_answers_empty(
    stub: Stub, asked: dict[str, object]
) -> None:
    """A year before anything: zeros, no cells, no points, no gaps, no error."""
    year_us = 365 * 86400 * US
    empty = asked | {
        "start_time": timestamp(START_US - year_us),
        "end_time": timestamp(START_US - year_us + US),
    }
    dwell = await stub.GetDwell(presence_pb2.GetDwellRequest(**empty))
    assert [one.visits for one in dwell.distributions] == [0] * 5
    assert not dwell.coverage.gaps
    flow = await stub.GetFlow(movement_pb2.GetFlowRequest(**empty))
    assert not flow.flows
    heat = await stub.GetHeatmap(movement_pb2.GetHeatmapRequest(**empty))
    assert not heat.cells
    areas = await stub.GetFrequentAreas(movement_pb2.GetFrequentAreasRequest(**empty))
    assert not areas.areas
    speed = await stub.GetSpeed(movement_pb2.GetSpeedRequest(**empty))
    assert not speed.histogram
    assert not speed.HasField("mean_mps")
    journey = stub.StreamJourney(
        movement_pb2.StreamJourneyRequest(**empty, global_id=104)
    )
    assert [len(part.points) async for part in journey] == [0]
    visits = stub.StreamVisits(presence_pb2.StreamVisitsRequest(**empty))
    assert [len(part.visits) async for part in visits] == [0]
