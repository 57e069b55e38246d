"""Put a scripted scene into a real history, as the worker would."""

from services.analytics.adapters.borders import (
    BorderTable,
    TripwireDefinition,
    ZoneDefinition,
)
from services.analytics.adapters.schema import SCHEMA, VERSIONS
from services.analytics.domain.history import Chapter, Gap, Place
from services.common.ids import EnvironmentId
from services.common.postgres import Pool, migrate, open_pool
from spoton.common.v1 import events_pb2
from tests.fakes.history_store import HistoryWriter, new_lease
from tests.fakes.scene_events import events
from tests.fakes.scripted_scene import FLOOR, TRIPWIRES, ZONES, Scene

BATCH = 500


async def store_scene(postgres_dsn: str, environment_id: str, scene: Scene) -> None:
    """Store a scene in a schema that is made first."""
    await migrate(postgres_dsn, SCHEMA, VERSIONS)
    async with open_pool(postgres_dsn, SCHEMA) as pool:
        await store_scene_in(pool, environment_id, scene, batch=BATCH)


async def store_scene_in(
    pool: Pool, environment_id: str, scene: Scene, batch: int
) -> None:
    """Store a scene in an environment of its own, with zones and tripwires."""
    lease = await new_lease(pool, environment_id)
    borders = await BorderTable(pool).replace(
        EnvironmentId(environment_id),
        [ZoneDefinition(name, name, FLOOR, corners) for name, corners in ZONES.items()],
        [
            TripwireDefinition(name, name, FLOOR, *ends)
            for name, ends in TRIPWIRES.items()
        ],
    )
    await _store(HistoryWriter(pool, lease, borders), scene, batch)


async def _store(writer: HistoryWriter, scene: Scene, batch: int) -> None:
    """Store what is delivered; say what was lost when what follows arrives."""
    delivered: list[events_pb2.EnvironmentEvent] = []
    lost: list[events_pb2.EnvironmentEvent] = []
    for time_us, event in events(scene):
        if scene.is_lost(time_us):
            lost.append(event)
            continue
        if lost:
            await writer.write(delivered, batch)
            await _write_gap(writer, len(lost), event)
            delivered, lost = [], []
        delivered.append(event)
    await writer.write(delivered, batch)


async def _write_gap(
    writer: HistoryWriter, count: int, after: events_pb2.EnvironmentEvent
) -> None:
    place, _, _ = await writer.history.load(writer.lease)
    last = place.sequence + count
    gap = Gap(
        first=place.sequence + 1,
        last=last,
        start_us=place.event_us,
        end_us=after.event_time.ToMicroseconds(),
        cause="removed",
    )
    passed = Chapter(place, Place(last, place.event_us), gap, None)
    await writer.history.store(writer.lease, passed)
