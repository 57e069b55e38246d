"""Zones and tripwires come from the mapper, and stay when it goes away."""

import secrets

import pytest
from grpc import aio

from services.analytics.adapters.borders import BorderTable
from services.analytics.adapters.mapper import MapperBorders, MapperEnvironments
from services.analytics.domain.borders import Tripwire
from services.common.errors import Unavailable
from services.common.grpc_client import open_channel
from services.common.ids import EnvironmentId
from services.common.postgres import Pool
from spoton.mapper.v1 import environment_pb2, tripwire_pb2
from tests.fakes.history_events import Seen, update
from tests.fakes.history_store import HistoryWriter, new_lease
from tests.fakes.mapper import FakeMapper, FakeTripwires, running_mapper


@pytest.fixture
def environment_id() -> EnvironmentId:
    """Give the name of an environment that no other test uses."""
    return EnvironmentId(f"plaza-{secrets.token_hex(4)}")


def a_zone() -> environment_pb2.Zone:
    """Return a triangle."""
    zone = environment_pb2.Zone(zone_id="hall", floor_id="ground")
    for x_m, y_m in ((0.0, 0.0), (4.0, 0.0), (0.0, 4.0)):
        zone.corners.add(x_m=x_m, y_m=y_m)
    return zone


def a_tripwire() -> tripwire_pb2.Tripwire:
    """Return a line along y at x = 1; its left is where x is smaller."""
    tripwire = tripwire_pb2.Tripwire(tripwire_id="door", floor_id="ground")
    tripwire.start.x_m, tripwire.start.y_m = 1.0, -1.0
    tripwire.end.x_m, tripwire.end.y_m = 1.0, 1.0
    return tripwire


async def test_who_crosses_a_tripwire_is_counted(
    pool: Pool, environment_id: EnvironmentId
) -> None:
    """From the mapper's line to crossings with their direction."""
    mapper = FakeMapper({environment_id: [a_zone()]})
    lease = await new_lease(pool, environment_id)
    async with (
        running_mapper(mapper, FakeTripwires([a_tripwire()])) as address,
        open_channel(address) as channel,
    ):
        assert await MapperEnvironments(channel).all() == [environment_id]
        borders = await MapperBorders(channel, BorderTable(pool)).read(environment_id)
    (line,) = borders.tripwires
    assert line == Tripwire(line.key, "ground", (1.0, -1.0), (1.0, 1.0))
    writer = HistoryWriter(pool, lease, borders)
    places = [0.0, 0.5, 1.5, 2.0, 1.2, 0.4]
    await writer.write(
        [update(i / 10, [Seen(1, (x_m, 0.0))]) for i, x_m in enumerate(places)], 2
    )
    crossings = await writer.rows(
        "SELECT tripwire_id, direction FROM crossings"
        " JOIN tripwires USING (tripwire_key) WHERE environment_id = %s"
        " ORDER BY capture_time",
        environment_id,
    )
    assert crossings == [("door", 1), ("door", -1)]


async def test_a_mapper_without_tripwires_has_zones(
    pool: Pool, environment_id: EnvironmentId
) -> None:
    """A mapper of the version before is asked in vain, and that is no error."""
    mapper = FakeMapper({environment_id: [a_zone()]})
    await new_lease(pool, environment_id)
    async with running_mapper(mapper) as address, open_channel(address) as channel:
        borders = await MapperBorders(channel, BorderTable(pool)).read(environment_id)
    assert (len(borders.zones), len(borders.tripwires)) == (1, 0)


async def test_known_zones_hold_while_the_mapper_is_away(
    pool: Pool, environment_id: EnvironmentId
) -> None:
    """Before the first answer nothing is known, which is an error; then zones stay."""
    await new_lease(pool, environment_id)
    away: aio.Channel = open_channel("127.0.0.1:9")
    async with away:
        borders = MapperBorders(away, BorderTable(pool))
        with pytest.raises(Unavailable):
            await borders.read(environment_id)
        mapper = FakeMapper({environment_id: [a_zone()]})
        async with running_mapper(mapper) as address, open_channel(address) as channel:
            known = await MapperBorders(channel, BorderTable(pool)).read(environment_id)
        assert await borders.read(environment_id) == known
