"""Zones and tripwires as they were: versions, kept beside the history."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.analytics.domain.borders import Borders, Tripwire, Zone
from services.common.ids import EnvironmentId
from services.common.postgres import Pool, translated_errors


@dataclass(frozen=True, slots=True)
class ZoneDefinition:
    """A zone, as the mapper tells it."""

    zone_id: str
    display_name: str
    floor_id: str
    corners_m: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class TripwireDefinition:
    """A tripwire, as the mapper tells it."""

    tripwire_id: str
    display_name: str
    floor_id: str
    start_m: tuple[float, float]
    end_m: tuple[float, float]


_ZONES = """
    SELECT zone_key, zone_id, display_name, floor_id, corners_m FROM zones
    WHERE environment_id = %s AND valid_to IS NULL
    ORDER BY zone_key
"""
_TRIPWIRES = """
    SELECT tripwire_key, tripwire_id, display_name, floor_id,
           start_x_m, start_y_m, end_x_m, end_y_m
    FROM tripwires WHERE environment_id = %s AND valid_to IS NULL
    ORDER BY tripwire_key
"""
_END_ZONES = "UPDATE zones SET valid_to = clock_timestamp() WHERE zone_key = ANY(%s)"
_END_TRIPWIRES = (
    "UPDATE tripwires SET valid_to = clock_timestamp() WHERE tripwire_key = ANY(%s)"
)
_ADD_ZONE = """
    INSERT INTO zones (environment_id, zone_id, display_name, floor_id, corners_m)
    VALUES (%s, %s, %s, %s, %s)
"""
_ADD_TRIPWIRE = """
    INSERT INTO tripwires (environment_id, tripwire_id, display_name, floor_id,
                           start_x_m, start_y_m, end_x_m, end_y_m)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_READ = """
    UPDATE environments SET borders_read_at = clock_timestamp()
    WHERE environment_id = %s
"""
_EVER_READ = "SELECT borders_read_at FROM environments WHERE environment_id = %s"


class BorderTable:
    """Keeps the versions; a changed definition is a new version."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def current(self, environment_id: EnvironmentId) -> Borders | None:
        """Return what held when it was last read; None if it never was.

        Raises:
            Unavailable: PostgreSQL is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(_EVER_READ, (environment_id,))
                if await cursor.fetchone() in (None, (None,)):
                    return None
                zones = await _zones(connection, environment_id)
                tripwires = await _tripwires(connection, environment_id)
        return _borders(zones, tripwires)

    async def replace(
        self,
        environment_id: EnvironmentId,
        zones: Sequence[ZoneDefinition],
        tripwires: Sequence[TripwireDefinition],
    ) -> Borders:
        """Let definitions hold from now on, and return them with their keys.

        Raises:
            Unavailable: PostgreSQL is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                old_zones = await _zones(connection, environment_id)
                gone = [k for k, one in old_zones.items() if one not in zones]
                await connection.execute(_END_ZONES, (gone,))
                for zone in set(zones) - set(old_zones.values()):
                    await connection.execute(
                        _ADD_ZONE,
                        (
                            environment_id,
                            zone.zone_id,
                            zone.display_name,
                            zone.floor_id,
                            [value for corner in zone.corners_m for value in corner],
                        ),
                    )
                old_wires = await _tripwires(connection, environment_id)
                gone = [k for k, one in old_wires.items() if one not in tripwires]
                await connection.execute(_END_TRIPWIRES, (gone,))
                for wire in set(tripwires) - set(old_wires.values()):
                    await connection.execute(
                        _ADD_TRIPWIRE,
                        (
                            environment_id,
                            wire.tripwire_id,
                            wire.display_name,
                            wire.floor_id,
                            *wire.start_m,
                            *wire.end_m,
                        ),
                    )
                await connection.execute(_READ, (environment_id,))
                return _borders(
                    await _zones(connection, environment_id),
                    await _tripwires(connection, environment_id),
                )


async def _zones(
    connection: AsyncConnection[TupleRow], environment_id: EnvironmentId
) -> dict[int, ZoneDefinition]:
    cursor = await connection.execute(_ZONES, (environment_id,))
    return {
        key: ZoneDefinition(
            zone_id, name, floor_id, tuple(zip(values[::2], values[1::2], strict=True))
        )
        for key, zone_id, name, floor_id, values in await cursor.fetchall()
    }


async def _tripwires(
    connection: AsyncConnection[TupleRow], environment_id: EnvironmentId
) -> dict[int, TripwireDefinition]:
    cursor = await connection.execute(_TRIPWIRES, (environment_id,))
    return {
        key: TripwireDefinition(wire_id, name, floor_id, (x_0, y_0), (x_1, y_1))
        for key, wire_id, name, floor_id, x_0, y_0, x_1, y_1 in await cursor.fetchall()
    }


def _borders(
    zones: dict[int, ZoneDefinition], tripwires: dict[int, TripwireDefinition]
) -> Borders:
    return Borders(
        zones=tuple(
            Zone(key, one.floor_id, one.corners_m) for key, one in zones.items()
        ),
        tripwires=tuple(
            Tripwire(key, one.floor_id, one.start_m, one.end_m)
            for key, one in tripwires.items()
        ),
    )
