"""The scripted hour, stored and asked for: every analytic is what hands compute."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise

import pytest

from services.analytics.bootstrap import open_figures
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
    CAMERAS,
    EMPTY_S,
    FLOOR,
    GAP_S,
    START_S,
    STEP_US,
    TIMELINE,
    TRIPWIRES,
    US,
    ZONES,
    scripted_scene,
    timestamp,
)
from tests.fakes.stored_scene import store_scene

Stub = analytics_pb2_grpc.AnalyticsServiceStub
ENVIRONMENT = "scripted"
SCENE = scripted_scene()
START_US = START_S * US
VISITS = by_hand.visits(SCENE)
EVERYBODY = by_hand.visits(SCENE, include_provisional=True)

# Whole, odd edges, a part of an hour, within one step, empty, around the gap.
RANGES = [
    pytest.param(0, 3600 * US, id="all"),
    pytest.param(-900 * US, 5400 * US, id="more"),
    pytest.param(123_456_789, 2_345_678_901, id="odd"),
    pytest.param(2600 * US, 2900 * US, id="gap"),
    pytest.param(600 * US, 600 * US + STEP_US // 2, id="short"),
    pytest.param(int(EMPTY_S[0]) * US, int(EMPTY_S[1]) * US, id="empty"),
    pytest.param(-7200 * US, -3600 * US, id="before"),
]


@pytest.fixture(scope="module")
def stored(postgres_dsn: str) -> str:
    """Store the hour once."""
    asyncio.run(store_scene(postgres_dsn, ENVIRONMENT, SCENE))
    return postgres_dsn


@pytest.fixture
async def stub(stored: str) -> AsyncIterator[Stub]:
    """Give a client of a service that has the hour."""
    async with (
        open_figures(stored, by_hand.ABSENCE_US / US) as register,
        running_server(register) as address,
        open_channel(address) as channel,
    ):
        yield Stub(channel)


def asked(start_us: int, end_us: int) -> dict[str, object]:
    """Return what every request about a range says; times since the beginning."""
    return {
        "environment_id": ENVIRONMENT,
        "start_time": timestamp(START_US + start_us),
        "end_time": timestamp(START_US + end_us),
    }


def of(zone: str, visits: list[by_hand.Visit] = VISITS) -> list[by_hand.Visit]:
    """Return the visits to one zone, or the presences."""
    return [one for one in visits if one.zone == zone]


@pytest.mark.parametrize(("start_us", "end_us"), RANGES)
async def test_unique_persons(stub: Stub, start_us: int, end_us: int) -> None:
    """Persons count once in the environment, in each zone and in each camera."""
    answer = await stub.GetUniquePersons(
        presence_pb2.GetUniquePersonsRequest(**asked(start_us, end_us))
    )
    span = START_US + start_us, START_US + end_us
    assert answer.persons == len(by_hand.touching(of(""), *span))
    assert answer.provisional == 0
    assert {one.zone_id: one.persons for one in answer.zones} == {
        zone: len(by_hand.touching(of(zone), *span)) for zone in ZONES
    }
    seen = {name: len(by_hand.seen_by(SCENE, name, *span)) for name in CAMERAS}
    counted = {one.camera_id: one.persons for one in answer.cameras}
    assert counted == {name: count for name, count in seen.items() if count}


async def test_provisional_persons_count_when_asked_for(stub: Stub) -> None:
    """The phantom is one more person, and told apart."""
    request = presence_pb2.GetUniquePersonsRequest(
        **asked(0, 3600 * US), include_provisional=True
    )
    answer = await stub.GetUniquePersons(request)
    assert (answer.persons, answer.provisional) == (21, 1)
    assert {one.zone_id: one.persons for one in answer.zones} == {
        zone: len({visit.person for visit in of(zone, EVERYBODY)}) for zone in ZONES
    }


@pytest.mark.parametrize(
    ("start_us", "end_us", "step_us"),
    [
        (0, 3600 * US, 60 * US),
        (-900 * US, 5400 * US, 900 * US),
        (123_456_789, 2_345_678_901, 77_777_777),
        (2600 * US, 2900 * US, 10 * US),
        (700 * US, 720 * US, 250_000),
    ],
)
async def test_occupancy_over_time(
    stub: Stub, start_us: int, end_us: int, step_us: int
) -> None:
    """Every step of every place is exact, and what is lost is not covered."""
    request = presence_pb2.GetOccupancySeriesRequest(**asked(start_us, end_us))
    request.step.FromMicroseconds(step_us)
    answer = await stub.GetOccupancySeries(request)
    assert [one.zone_id for one in answer.series] == ["", *sorted(ZONES)]
    for series in answer.series:
        visits = of(series.zone_id)
        before = None
        for index, step in enumerate(series.steps):
            first_us = START_US + start_us + index * step_us
            last_us = min(first_us + step_us, START_US + end_us)
            assert step.start_time.ToMicroseconds() == first_us
            assert step.persons_at_start == by_hand.occupancy(visits, first_us)
            assert step.entered == sum(
                first_us <= one.start_us < last_us for one in visits
            )
            assert step.left == sum(first_us <= one.end_us < last_us for one in visits)
            assert step.max_persons == by_hand.highest(visits, first_us, last_us)
            spent_us = by_hand.person_us(visits, first_us, last_us)
            assert step.person_time.ToMicroseconds() == spent_us
            covered_us = step.covered.ToMicroseconds()
            if covered_us:
                assert step.mean_persons == pytest.approx(spent_us / covered_us)
            else:
                assert not step.HasField("mean_persons")
            if before is not None:
                change = before.entered - before.left
                assert step.persons_at_start == before.persons_at_start + change
            before = step
        assert len(series.steps) == -((start_us - end_us) // step_us)


async def test_a_gap_is_shown(stub: Stub) -> None:
    """The lost stretch is listed, not covered, and nobody is made up for it."""
    request = presence_pb2.GetOccupancySeriesRequest(**asked(2640 * US, 2880 * US))
    request.step.FromSeconds(60)
    answer = await stub.GetOccupancySeries(request)
    (gap,) = answer.coverage.gaps
    lost_us = (START_US + int(GAP_S[0]) * US, START_US + int(GAP_S[1]) * US)
    assert gap.timeline_id == TIMELINE
    assert gap.start_time.ToMicroseconds() == lost_us[0] - STEP_US
    assert gap.end_time.ToMicroseconds() == lost_us[1]
    steps = answer.series[0].steps
    covered_s = [step.covered.ToMicroseconds() / US for step in steps]
    assert covered_s == [59.5, 0.0, 0.0, 60.0]
    assert not steps[1].HasField("mean_persons")
    assert steps[2].person_time.ToMicroseconds() == 0


@pytest.mark.parametrize(("start_us", "end_us"), RANGES)
async def test_crossings(stub: Stub, start_us: int, end_us: int) -> None:
    """Entries minus exits is the change of occupancy; tripwires know directions."""
    answer = await stub.GetCrossings(
        presence_pb2.GetCrossingsRequest(**asked(start_us, end_us))
    )
    span = START_US + start_us, START_US + end_us
    assert [one.zone_id for one in answer.zones] == sorted(ZONES)
    for zone in answer.zones:
        visits = of(zone.zone_id)
        assert zone.entries == sum(span[0] <= one.start_us < span[1] for one in visits)
        assert zone.exits == sum(span[0] <= one.end_us < span[1] for one in visits)
        assert zone.persons_at_start == by_hand.occupancy(visits, span[0])
        assert zone.persons_at_end == by_hand.occupancy(visits, span[1])
    crossed = by_hand.wires_crossed(SCENE, *span)
    assert {
        (one.tripwire_id, one.left_to_right, one.right_to_left)
        for one in answer.tripwires
    } == {(name, crossed[name, True], crossed[name, False]) for name in TRIPWIRES}


@pytest.mark.parametrize(("start_us", "end_us"), RANGES)
async def test_dwell(stub: Stub, start_us: int, end_us: int) -> None:
    """Counts, sums, percentiles and histogram are of whole visits that ended."""
    request = presence_pb2.GetDwellRequest(
        **asked(start_us, end_us), bin_count=12, percentiles=[0, 10, 50, 95, 100]
    )
    request.bin_width.FromSeconds(20)
    answer = await stub.GetDwell(request)
    assert [one.zone_id for one in answer.distributions] == ["", *sorted(ZONES)]
    for told in answer.distributions:
        ended = [
            one
            for one in of(told.zone_id)
            if START_US + start_us <= one.end_us < START_US + end_us
        ]
        lengths = [one.end_us - one.start_us for one in ended]
        assert told.visits == len(ended)
        assert told.persons == len({one.person for one in ended})
        assert told.total.ToMicroseconds() == sum(lengths)
        bins = Counter(min(length // (20 * US), 12) for length in lengths)
        assert list(told.histogram) == [bins[index] for index in range(13)]
        assert [one.percent for one in told.percentiles] == (
            list(request.percentiles) if ended else []
        )
        for one in told.percentiles:
            by_hand_us = by_hand.percentile(lengths, one.percent)
            assert abs(one.duration.ToMicroseconds() - by_hand_us) <= 1
        if ended:
            assert told.longest.ToMicroseconds() == max(lengths)
            mean_us = sum(lengths) / len(lengths)
            assert abs(told.mean.ToMicroseconds() - mean_us) <= 1


@pytest.mark.parametrize(("start_us", "end_us"), RANGES)
async def test_dwell_before_cameras(stub: Stub, start_us: int, end_us: int) -> None:
    """Appearances that ended; of two cameras at once each has its own."""
    names = ["west", "unheard-of", "east", "middle", "west"]
    answer = await stub.GetDwell(
        presence_pb2.GetDwellRequest(**asked(start_us, end_us), camera_ids=names)
    )
    assert [one.camera_id for one in answer.cameras] == sorted(set(names))
    for told in answer.cameras:
        ended = [
            one
            for one in by_hand.appearances(SCENE, told.camera_id)
            if START_US + start_us <= one.end_us < START_US + end_us
        ]
        lengths = [one.end_us - one.start_us for one in ended]
        found = told.distribution
        assert (found.zone_id, found.visits) == ("", len(ended))
        assert found.persons == len({one.person for one in ended})
        assert found.total.ToMicroseconds() == sum(lengths)


@pytest.mark.parametrize(("start_us", "end_us"), RANGES)
async def test_occupancy_before_cameras(stub: Stub, start_us: int, end_us: int) -> None:
    """Step by step, as in the environment, which counts nobody twice."""
    request = presence_pb2.GetOccupancySeriesRequest(
        **asked(start_us, end_us), camera_ids=sorted(CAMERAS)
    )
    step_us = max(1000, (end_us - start_us) // 7)
    request.step.FromMicroseconds(step_us)
    answer = await stub.GetOccupancySeries(request)
    assert [one.camera_id for one in answer.cameras] == sorted(CAMERAS)
    for series in answer.cameras:
        seen = by_hand.appearances(SCENE, series.camera_id)
        assert len(series.steps) == len(answer.series[0].steps)
        for step, everywhere in zip(series.steps, answer.series[0].steps, strict=True):
            first_us = step.start_time.ToMicroseconds()
            end = min(first_us + step_us, START_US + end_us)
            assert step.persons_at_start == by_hand.occupancy(seen, first_us)
            assert step.entered == sum(first_us <= one.start_us < end for one in seen)
            assert step.left == sum(first_us <= one.end_us < end for one in seen)
            assert step.max_persons == by_hand.highest(seen, first_us, end)
            spent_us = by_hand.person_us(seen, first_us, end)
            assert step.person_time.ToMicroseconds() == spent_us
            assert step.max_persons <= everywhere.max_persons


@pytest.mark.parametrize(("start_us", "end_us"), RANGES)
@pytest.mark.parametrize("transit_s", [None, 20])
async def test_flow(
    stub: Stub, start_us: int, end_us: int, transit_s: int | None
) -> None:
    """Transitions, persons and mean transit of every pair of zones."""
    request = movement_pb2.GetFlowRequest(**asked(start_us, end_us))
    if transit_s:
        request.max_transit.FromSeconds(transit_s)
    answer = await stub.GetFlow(request)
    found = by_hand.flows(
        VISITS, START_US + start_us, START_US + end_us, (transit_s or 1800) * US
    )
    pairs = [(one.from_zone_id, one.to_zone_id) for one in answer.flows]
    assert pairs == sorted(found)
    for flow in answer.flows:
        steps = found[flow.from_zone_id, flow.to_zone_id]
        assert flow.transitions == len(steps)
        assert flow.persons == len({person for person, _ in steps})
        mean_us = sum(transit_us for _, transit_us in steps) / len(steps)
        assert abs(flow.mean_transit.ToMicroseconds() - mean_us) <= 1


async def test_flow_between_some_zones(stub: Stub) -> None:
    """Visits to zones that were not asked for are passed over."""
    request = movement_pb2.GetFlowRequest(
        **asked(0, 3600 * US), zone_ids=["cafe", "entrance"]
    )
    answer = await stub.GetFlow(request)
    some = [one for one in VISITS if one.zone in {"cafe", "entrance"}]
    found = by_hand.flows(some, START_US, START_US + 3600 * US, 1800 * US)
    assert {
        (one.from_zone_id, one.to_zone_id): one.transitions for one in answer.flows
    } == {pair: len(steps) for pair, steps in found.items()}


@pytest.mark.parametrize(("start_us", "end_us"), RANGES)
async def test_the_visits_themselves(stub: Stub, start_us: int, end_us: int) -> None:
    """Every visit that the figures are made of is listed, in order of entry."""
    request = presence_pb2.StreamVisitsRequest(**asked(start_us, end_us))
    parts = [part async for part in stub.StreamVisits(request)]
    assert parts[0].HasField("coverage")
    listed = [
        (
            one.enter_time.ToMicroseconds(),
            one.global_id,
            one.zone_id,
            one.exit_time.ToMicroseconds(),
        )
        for part in parts
        for one in part.visits
    ]
    assert listed == [
        (one.start_us, one.person, one.zone, one.end_us)
        for one in VISITS
        if one.zone
        and one.start_us < START_US + end_us
        and one.end_us >= START_US + start_us
    ]


async def test_the_visits_of_a_person_under_a_former_name(stub: Stub) -> None:
    """207 was merged into 107: either name lists the visits of both."""
    of_person = [one for one in VISITS if one.person == 107 and one.zone]
    for global_id in (107, 207):
        request = presence_pb2.StreamVisitsRequest(
            **asked(0, 3600 * US), global_id=global_id
        )
        parts = [part async for part in stub.StreamVisits(request)]
        visits = [one for part in parts for one in part.visits]
        assert {one.global_id for one in visits} == {107}
        assert {one.timeline_id for one in visits} == {TIMELINE}
        assert len(visits) == len(of_person)


@pytest.mark.parametrize(("start_us", "end_us"), RANGES)
@pytest.mark.parametrize("side", [1, 2, 7])
async def test_heatmap(stub: Stub, start_us: int, end_us: int, side: int) -> None:
    """Passages and dwell of every cell; seen by three cameras counts once."""
    request = movement_pb2.GetHeatmapRequest(
        **asked(start_us, end_us), floor_id=FLOOR, cell_size_m=0.25 * side
    )
    answer = await stub.GetHeatmap(request)
    cells = by_hand.heat(SCENE, START_US + start_us, START_US + end_us, side)
    assert {
        (one.column, one.row): (one.passages, one.dwell.ToMicroseconds())
        for one in answer.cells
    } == cells
    places = [(one.row, one.column) for one in answer.cells]
    assert places == sorted(places)
    assert answer.dwell.ToMicroseconds() == sum(dwell for _, dwell in cells.values())


async def test_the_heatmap_of_a_person(stub: Stub) -> None:
    """Only where that person was, under every name."""
    for person in (107, 204):
        request = movement_pb2.GetHeatmapRequest(
            **asked(0, 3600 * US), global_id=person, cell_size_m=0.25
        )
        answer = await stub.GetHeatmap(request)
        assert answer.floor_id == FLOOR
        real = 104 if person == 204 else person
        assert {
            (one.column, one.row): (one.passages, one.dwell.ToMicroseconds())
            for one in answer.cells
        } == by_hand.heat(SCENE, START_US, START_US + 3600 * US, 1, real)


@pytest.mark.parametrize(("start_us", "end_us"), RANGES)
async def test_speed(stub: Stub, start_us: int, end_us: int) -> None:
    """Time at each speed, its mean and its percentiles."""
    request = movement_pb2.GetSpeedRequest(
        **asked(start_us, end_us), percentiles=[50, 90]
    )
    answer = await stub.GetSpeed(request)
    found = by_hand.speed_us(SCENE, START_US + start_us, START_US + end_us)
    told = {
        index: length.ToMicroseconds()
        for index, length in enumerate(answer.histogram)
        if length.ToMicroseconds()
    }
    assert told == found
    total_us = sum(found.values())
    assert answer.person_time.ToMicroseconds() == total_us
    assert answer.HasField("mean_mps") == bool(total_us)
    if total_us:
        mean_mps = sum((index + 0.5) * 0.1 * us for index, us in found.items())
        assert answer.mean_mps == pytest.approx(mean_mps / total_us)
        for one in answer.percentiles:
            slower_us = sum(
                us * min(1.0, max(0.0, one.speed_mps / 0.1 - index))
                for index, us in found.items()
            )
            assert slower_us / total_us == pytest.approx(one.percent / 100)


@pytest.mark.parametrize(("radius_m", "dwell_s"), [(1.0, 30), (0.5, 5), (2.0, 120)])
async def test_frequent_areas(stub: Stub, radius_m: float, dwell_s: int) -> None:
    """The clusters are those of comparing every cell with every other."""
    request = movement_pb2.GetFrequentAreasRequest(
        **asked(0, 3600 * US), radius_m=radius_m
    )
    request.min_dwell.FromSeconds(dwell_s)
    answer = await stub.GetFrequentAreas(request)
    cells = by_hand.heat(SCENE, START_US, START_US + 3600 * US)
    dwell_us = {cell: dwell for cell, (_, dwell) in cells.items()}
    clusters = by_hand.areas(dwell_us, radius_m, dwell_s * US)
    told = [
        (one.dwell.ToMicroseconds(), one.passages, round(one.area_m2 / 0.0625))
        for one in answer.areas
    ]
    assert [one[0] for one in told] == sorted((one[0] for one in told), reverse=True)
    assert sorted(told) == sorted(
        (sum(dwell_us[c] for c in one), sum(cells[c][0] for c in one), len(one))
        for one in clusters
    )
    inside = set().union(*clusters)
    assert answer.elsewhere.ToMicroseconds() == sum(
        dwell for cell, dwell in dwell_us.items() if cell not in inside
    )


async def test_a_journey(stub: Stub) -> None:
    """Every located sighting in the order of time, in legs, under a former name."""
    request = movement_pb2.StreamJourneyRequest(
        environment_id=ENVIRONMENT, global_id=207
    )
    parts = [part async for part in stub.StreamJourney(request)]
    person = parts[0].person
    assert (person.global_id, list(person.merged_ids)) == (107, [107, 207])
    assert not person.provisional
    walked = [one for one in by_hand.people(SCENE)[107] if one.position_m]
    points = [point for part in parts for point in part.points]
    assert [
        (
            one.capture_time.ToMicroseconds(),
            (one.point.x_m, one.point.y_m),
            one.floor_id,
        )
        for one in points
    ] == [(one.time_us, one.position_m, FLOOR) for one in walked]
    presences = [one for one in of("") if one.person == 107]
    for point in points:
        leg = presences[point.leg - 1]
        assert leg.start_us <= point.capture_time.ToMicroseconds() <= leg.end_us


async def test_a_sparse_journey(stub: Stub) -> None:
    """With a least interval, points are apart, but for the ends of legs."""
    request = movement_pb2.StreamJourneyRequest(**asked(700 * US, 900 * US))
    request.global_id = 107
    request.min_interval.FromSeconds(10)
    parts = [part async for part in stub.StreamJourney(request)]
    times = defaultdict(list)
    for point in (point for part in parts for point in part.points):
        times[point.leg].append(point.capture_time.ToMicroseconds())
    everything = [one for one in by_hand.people(SCENE)[107] if one.position_m]
    assert sum(map(len, times.values())) < len(everything) / 5
    for leg in times.values():
        gaps = [after - before for before, after in pairwise(leg)]
        assert all(gap >= 10 * US for gap in gaps[:-1])


async def test_camera_activity(stub: Stub) -> None:
    """Frames, tracks and most tracks of each camera, minute by minute."""
    request = operation_pb2.GetCameraActivityRequest(**asked(-600 * US, 4200 * US))
    request.step.FromSeconds(120)
    answer = await stub.GetCameraActivity(request)
    assert [one.camera_id for one in answer.cameras] == sorted(CAMERAS)
    for camera in answer.cameras:
        for index, step in enumerate(camera.steps):
            first_us = START_US + (-600 + 120 * index) * US
            assert step.start_time.ToMicroseconds() == first_us
            assert (
                step.frames,
                step.tracks,
                step.max_tracks,
            ) == by_hand.camera_counts(
                SCENE, camera.camera_id, first_us, first_us + 120 * US
            )
            assert (step.coasted, step.unidentified) == (0, 0)


async def test_pipeline_activity(stub: Stub) -> None:
    """Frame sets, persons in them and delay, for the whole range."""
    answer = await stub.GetPipelineActivity(
        operation_pb2.GetPipelineActivityRequest(**asked(0, 3600 * US))
    )
    (step,) = answer.steps
    times = by_hand.frame_sets(SCENE)
    persons = Counter(one.time_us for one in SCENE.delivered)
    assert step.frame_sets == len(times)
    assert step.sightings == persons.total()
    assert step.located == sum(one.position_m is not None for one in SCENE.delivered)
    assert step.max_persons == max(persons.values())
    assert step.mean_delay.ToTimedelta() == timedelta(microseconds=STEP_US)


async def test_nobody_is_present_after_the_session(stub: Stub) -> None:
    """The session has ended: nobody is there, and there is no moment to speak of."""
    answer = await stub.GetOccupancy(
        presence_pb2.GetOccupancyRequest(environment_id=ENVIRONMENT)
    )
    assert answer.persons == 0
    assert not answer.HasField("as_of_time")
    assert {one.zone_id: one.persons for one in answer.zones} == dict.fromkeys(ZONES, 0)
