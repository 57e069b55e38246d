"""A batch equals brute force, however the events are divided into batches."""

import random
from collections import Counter

import pytest

from services.analytics.adapters.borders import (
    BorderTable,
    TripwireDefinition,
    ZoneDefinition,
)
from services.analytics.adapters.times import to_time
from services.analytics.domain.borders import Borders
from services.common.postgres import Pool
from spoton.common.v1 import events_pb2
from tests.fakes.history_events import Seen, session, update
from tests.fakes.history_reference import HOUR_US, Reference, reference
from tests.fakes.history_store import HistoryWriter
from tests.integration.analytics.conftest import NewWriter

ZONES = (
    ZoneDefinition("west", "", "ground", ((0, 0), (5, 0), (5, 10), (0, 10))),
    ZoneDefinition("east", "", "ground", ((5, 0), (10, 0), (10, 10), (5, 10))),
    ZoneDefinition("middle", "", "ground", ((3, 3), (7, 3), (5, 8))),
    ZoneDefinition("above", "", "first", ((0, 0), (10, 0), (10, 10), (0, 10))),
)
TRIPWIRES = (
    TripwireDefinition("line", "", "ground", (5.0, 0.0), (5.0, 10.0)),
    TripwireDefinition("stair", "", "first", (0.0, 4.0), (10.0, 6.0)),
)


def random_events(chance: random.Random) -> list[events_pb2.EnvironmentEvent]:
    """Return some minutes of people who walk, vanish, change floors and cameras."""
    events: list[events_pb2.EnvironmentEvent] = []
    places = {g: (chance.uniform(0, 10), chance.uniform(0, 10)) for g in range(1, 6)}
    floors = dict.fromkeys(places, "ground")
    cameras = {g: {"east": g} for g in places}
    at_s, frame_set = chance.uniform(0, 3590), 1
    for _ in range(chance.randint(5, 80)):
        at_s += chance.choice((0.1, 0.1, 0.1, 0.5, 1.9, 2.0, 2.1))
        if chance.random() < 0.02:
            at_s -= 5.0
        if chance.random() < 0.03:
            events.append(session("sought"))
        persons = []
        for global_id, (x_m, y_m) in places.items():
            places[global_id] = (
                x_m + chance.uniform(-1, 1),
                y_m + chance.uniform(-1, 1),
            )
            if chance.random() < 0.05:
                floors[global_id] = chance.choice(("ground", "first"))
            if chance.random() < 0.1:
                names = chance.sample(("east", "west"), chance.randint(1, 2))
                cameras[global_id] = {
                    n: global_id + 10 * chance.randint(0, 1) for n in names
                }
            if chance.random() < 0.85:
                persons.append(
                    Seen(
                        global_id,
                        places[global_id] if chance.random() < 0.9 else None,
                        cameras[global_id],
                        (chance.uniform(-2, 2), 0.5) if chance.random() < 0.9 else None,
                        floors[global_id],
                    )
                )
        events.append(
            update(at_s, persons, frame_set=frame_set, cameras=("east", "west"))
        )
        frame_set += 1
    return events


async def assert_equals_reference(
    writer: HistoryWriter, events: list[events_pb2.EnvironmentEvent]
) -> None:
    """Compare every table with brute force."""
    expected = _with_times(reference(events, writer.borders))
    where = writer.lease.environment_id
    stays = await writer.rows(
        "SELECT published_id, floor_id, camera_id, track_id, pass, start_time,"
        " end_time, samples, handed_over"
        " FROM stays WHERE environment_id = %s",
        where,
    )
    assert Counter(
        (g, f, (c, t) if c else None, *rest) for g, f, c, t, *rest in stays
    ) == Counter(expected.stays)
    visits = await writer.rows(
        "SELECT zone_key, published_id, visits.start_time, visits.end_time, came, went,"
        " visits.samples"
        " FROM visits JOIN stays USING (stay_id) WHERE environment_id = %s",
        where,
    )
    assert Counter(visits) == Counter(expected.visits)
    crossings = await writer.rows(
        "SELECT tripwire_key, published_id, capture_time, direction"
        " FROM crossings JOIN stays USING (stay_id) WHERE environment_id = %s",
        where,
    )
    assert Counter(crossings) == Counter(expected.crossings)
    cells = await writer.rows(
        "SELECT hour, floor_id, cell_x, cell_y,"
        " present_us, passages FROM cell_hours WHERE environment_id = %s",
        where,
    )
    assert {tuple(row[:4]): row[4] for row in cells} == dict(expected.cells)
    assert {tuple(row[:4]): row[5] for row in cells} == dict(expected.passages)
    speeds = await writer.rows(
        "SELECT hour, floor_id, speed_bin, present_us"
        " FROM speed_hours WHERE environment_id = %s",
        where,
    )
    assert {tuple(row[:3]): row[3] for row in speeds} == dict(expected.speeds)
    positions = await writer.rows(
        "SELECT count(*) FROM positions JOIN stays USING (stay_id)"
        " WHERE environment_id = %s",
        where,
    )
    assert positions == [(sum(map(len, expected.samples.values())),)]


def _with_times(found: Reference) -> Reference:
    """Return brute force with the times that tables hold."""

    def hours(counter: Counter) -> Counter:
        return Counter(
            {(to_time(key[0] * HOUR_US), *key[1:]): n for key, n in counter.items()}
        )

    found.stays = [(*s[:4], to_time(s[4]), to_time(s[5]), *s[6:]) for s in found.stays]
    found.visits = [
        (*v[:2], to_time(v[2]), to_time(v[3]), *v[4:]) for v in found.visits
    ]
    found.crossings = [(*c[:2], to_time(c[2]), c[3]) for c in found.crossings]
    found.cells, found.passages = hours(found.cells), hours(found.passages)
    found.speeds = hours(found.speeds)
    return found


@pytest.mark.parametrize("seed", range(12))
async def test_any_division_into_batches_is_brute_force(
    new_writer: NewWriter, pool: Pool, seed: int
) -> None:
    """Stays, visits, crossings, cells and speeds, with gaps, seeks and floors."""
    chance = random.Random(seed)
    events = random_events(chance)
    for batch in (None, 1, chance.randint(2, 9)):
        writer = await new_writer()
        environment_id = writer.lease.environment_id
        writer.borders = await BorderTable(pool).replace(
            environment_id, ZONES, TRIPWIRES
        )
        assert isinstance(writer.borders, Borders)
        await writer.write(events, batch)
        await assert_equals_reference(writer, events)
